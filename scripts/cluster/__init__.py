"""`make kind-up`, `kind-down` and `purge`: a cluster for Saran, by the programs kind, helm, kubectl and docker.

Standard library only: nothing has to be installed before there is a cluster.
"""
