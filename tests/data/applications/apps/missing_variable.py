"""Does not start without a variable."""

import os

from right import app

app.secret_key = os.environ["SHOP_KEY"]
