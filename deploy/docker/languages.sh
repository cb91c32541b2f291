#!/bin/sh
# Installs the kernels of the languages of contexts into a Python environment, while an image is built.
#   languages.sh ENVIRONMENT LANGUAGE…
set -eu
environment=$1
shift

packages() {
  "$environment/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --prefer-binary --requirement "$1"
}

kernel() {
  install -D --mode=0644 "kernels/$1/kernel.json" "$environment/share/jupyter/kernels/$1/kernel.json"
}

for language in "$@"; do
  case $language in
    python) ;;
    bash)
      packages requirements-bash.txt
      kernel bash
      ;;
    javascript | typescript)
      packages requirements-javascript.txt
      kernel javascript
      kernel typescript
      ;;
    # Its packages are the distribution's.
    r) kernel r ;;
    *)
      echo "languages.sh: there is no language $language; python, bash, javascript, typescript and r can be named" >&2
      exit 1
      ;;
  esac
done
