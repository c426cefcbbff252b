# Finds config.yaml; what is wrong with it as YAML is said in one line.
import sys

from darkroom.settings import SettingsError, find_config_file

try:
    CONFIG_FILE = find_config_file(workflow.basedir)
except SettingsError as problem:
    sys.exit(f"darkroom: {problem}")
