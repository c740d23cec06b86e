#!/bin/sh
# After tsc: what it does not write. Codecs are plain JavaScript already;
# overlayctl becomes one file, because most of its time would go into loading many.
set -eu
cd "$(dirname "$0")/.."
cp proto/gen/codecs.js dist/proto/gen/
bundle() {
  npx --no-install esbuild "$@" --bundle --minify --platform=node --format=cjs \
    --define:import.meta.dirname=__dirname --supported:dynamic-import=false --log-level=warning
}
# A bundle, V8's code cache of it, and last (setup.sh goes by it) what starts both.
bundle dist/cli/main.js --outfile=dist/overlayctl-bundle.cjs
node dist/cli/write-code-cache.js dist/overlayctl-bundle.cjs
bundle dist/cli/launch.js --banner:js='#!/usr/bin/env node' --outfile=dist/overlayctl.cjs
chmod +x dist/overlayctl.cjs dist/controller/main.js dist/agent/main.js
