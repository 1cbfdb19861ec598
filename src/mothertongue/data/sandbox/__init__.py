"""Decode untrusted audio in processes with few rights, called workers.

`prepare`, `transcribe`, `report` and `serve` decode here. Training, evaluation and `doctor` decode
in their own processes: their clips passed `prepare`.

A worker gets one open file after the other. A crash, or a file that takes too long, costs this file
and the worker, and another worker takes its place. On every system a worker

- has a short list of environment variables, and no keys among them;
- prints nothing: decoders would fill the log of the parent with lines about damaged files;
- may use so much processor time and write no file; it ends when its parent ends.

On Linux its memory has a limit too, and on x86-64 and ARM64 it can open no file, start no program
and reach no network once it is ready (seccomp). Where the kernel has no seccomp, or on another
system, only the rest holds.
"""
