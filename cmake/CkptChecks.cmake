# SPDX-License-Identifier: MIT
# The gates of the house, run as tests; each is a script in cmake/checks.
