/** What each program is when built: starts the bundle beside it, `overlayctl-bundle.cjs` for `overlayctl.cjs`. */
import { bundleOf, loadBundle } from './code-cache.ts'

loadBundle(bundleOf(import.meta.filename)).run()
