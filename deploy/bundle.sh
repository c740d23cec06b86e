#!/bin/sh
# After tsc: what it does not write. Codecs are plain JavaScript already;
# overlayctl becomes one file, because most of its time would go into loading many.
set -eu
cd "$(dirname "$0")/.."
cp proto/gen/codecs.js dist/proto/gen/
npx --no-install esbuild dist/cli/main.js --bundle --minify --platform=node --format=cjs \
  --define:import.meta.dirname=__dirname --banner:js='#!/usr/bin/env node' --log-level=warning --outfile=dist/overlayctl.cjs
chmod +x dist/overlayctl.cjs dist/controller/main.js dist/agent/main.js
