"""Django's command line: `python manage.py help` lists what it can do."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["generate_keys"]:
        # It makes the very secrets without which the settings of production refuse to load.
        os.environ["DEBUG"] = "True"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
