"""How an application is started, from what lies in its checkout.

Texts are read, and nothing of the application is run or imported.
"""
