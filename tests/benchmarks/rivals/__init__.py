"""The same operations with less in between, or with more: small programs, for comparison only.

None of them signs anybody in, or asks whose a board is. What they answer is what the service answers, but for the
ids and times of what they make: `requests.py` holds them to that before it measures.
"""
