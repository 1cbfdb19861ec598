"""Unicode scripts that put no spaces between words, as classes for the package regex. No torch."""

ZERO_WIDTH_SPACE = "\u200b"

# Scripts in which U+200B marks the ends of words, unseen: those of Unicode's line break class SA.
INVISIBLY_SPACED = (
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}"
)

# Scripts without visible spaces between words: these, Chinese characters and kana (Unicode counts
# the long vowel ー to no script). Tibetan is not one of them: its tsheg is written.
UNSPACED_SCRIPTS = INVISIBLY_SPACED + r"\p{Han}\p{Hiragana}\p{Katakana}ー"
