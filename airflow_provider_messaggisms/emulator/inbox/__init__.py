"""
The inbox: which SMS the phones received, as JSON for tests and as a web page for people.
"""
