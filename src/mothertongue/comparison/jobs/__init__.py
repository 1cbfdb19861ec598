"""Run the processes of a comparison on this machine or on a Ray cluster.

Tasks come in, ended processes and their folders go out. With nodes that share no folder, an object
store carries the runs.
"""
