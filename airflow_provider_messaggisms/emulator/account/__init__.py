"""
The account at the gateway, with its rules: what a request may say, what a message costs, when it goes out, what happens
to each SMS. It knows no HTTP and imports nothing from the other rooms.
"""
