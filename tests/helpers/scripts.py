"""A letter of each of Unicode's scripts that have letters, by Unicode's name of the script."""

_CODE_POINTS = """
Adlam:1E922 Ahom:11711 Anatolian_Hieroglyphs:14523 Arabic:0639 Armenian:053F Avestan:10B1B
Balinese:1B20 Bamum:168F9 Bassa_Vah:16ADF Batak:1BD3 Bengali:09A3 Bhaiksuki:11C18 Bopomofo:312A
Brahmi:1101F Buginese:1A0B Buhid:1749 Canadian_Aboriginal:156A Carian:102B8
Caucasian_Albanian:1054A Chakma:11116 Cham:AA1A Cherokee:13F8 Chorasmian:10FBA Coptic:2CAE
Cuneiform:1222F Cypriot:1081E Cypro_Minoan:12FC0 Cyrillic:049A Deseret:10428 Devanagari:0915
Dives_Akuru:1191C Dogra:11816 Duployan:1BC45 Egyptian_Hieroglyphs:13217 Elbasan:10514
Elymaic:10FEB Ethiopic:1302 Georgian:10D0 Glagolitic:2C30 Gothic:1033C Grantha:11323 Greek:03B1
Gujarati:0AA1 Gunjala_Gondi:11D76 Gurmukhi:0A24 Han:4E2D Hangul:C152 Hanifi_Rohingya:10D12
Hanunoo:1729 Hatran:108EA Hebrew:05D0 Hiragana:3042 Imperial_Aramaic:1084B
Inscriptional_Pahlavi:10B69 Inscriptional_Parthian:10B4B Javanese:A99B Kaithi:11099 Kannada:0CA2
Katakana:30AB Kayah_Li:A918 Kharoshthi:10A23 Khitan_Small_Script:18BEB Khmer:179B Khojki:11216
Khudawadi:112C7 Lao:0EA0 Latin:0254 Lepcha:1C13 Limbu:190F Linear_A:106AA Linear_B:10091
Lisu:A4E7 Lycian:1028E Lydian:1092D Mahajani:11162 Makasar:11EE9 Malayalam:0D27 Mandaic:084C
Manichaean:10AD3 Marchen:11C81 Masaram_Gondi:11D1A Medefaidrin:16E60 Meetei_Mayek:ABCA
Mende_Kikakui:1E862 Meroitic_Cursive:109AD Meroitic_Hieroglyphs:10990 Miao:16F2C Modi:11618
Mongolian:1860 Mro:16A4F Multani:11295 Myanmar:1075 Nabataean:1088F Nandinagari:119BA
New_Tai_Lue:19A3 Newa:1141E Nko:07CA Nushu:1B235 Nyiakeng_Puachue_Hmong:1E11A Ogham:168E
Ol_Chiki:1C6C Old_Hungarian:10CC0 Old_Italic:10311 Old_North_Arabian:10A8E Old_Permic:10363
Old_Persian:103B6 Old_Sogdian:10F0F Old_South_Arabian:10A6E Old_Turkic:10C24 Old_Uyghur:10F79
Oriya:0B23 Osage:104D8 Osmanya:1048F Pahawh_Hmong:16B2E Palmyrene:1086B Pau_Cin_Hau:11ADC
Phags_Pa:A85A Phoenician:1090B Psalter_Pahlavi:10B89 Rejang:A93B Runic:16C9 Samaritan:080C
Saurashtra:A89B Sharada:1119E Shavian:10468 Siddham:11599 Sinhala:0DA5 Sogdian:10F3B
Sora_Sompeng:110DC Soyombo:11A73 Sundanese:1B96 Syloti_Nagri:A813 Syriac:0727 Tagalog:1709
Tagbanwa:1768 Tai_Le:1961 Tai_Tham:1A3B Tai_Viet:AA9E Takri:11696 Tamil:0B9F Tangsa:16A97
Tangut:17D80 Telugu:0C23 Thaana:0793 Thai:0E01 Tibetan:0F59 Tifinagh:2D4C Tirhuta:11499
Toto:1E29F Ugaritic:1038F Vai:A58F Vithkuqi:10597 Wancho:1E2D6 Warang_Citi:118C0 Yezidi:10E96
Yi:A246 Zanabazar_Square:11A1F
"""
LETTERS = {
    name: chr(int(code, 16)) for name, code in (each.split(":") for each in _CODE_POINTS.split())
}
