import sys

# Where it is switched off, each start of an application here would compile every revision again, and each process the
# whole of a copied checkout.
sys.dont_write_bytecode = False
