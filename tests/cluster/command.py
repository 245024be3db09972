"""What up, down, env, load and restart share: --dir."""

import argparse


def parser(doc):
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--dir", help="run directory (default: $PODFS_CLUSTER, "
                      "else /run/podfs-cluster)")
    return made
