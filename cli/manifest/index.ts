/** Loaded only by commands that read manifests: YAML and schemas cost more than most commands take. */
export { differencesText, type FieldDifference, familyText, fieldDifferences } from './differences.ts'
export { forEachNetwork } from './each-network.ts'
export { creationOf, planStep, type Step } from './plan.ts'
export { readManifests } from './read.ts'
export type { WantedNetwork } from './schema.ts'
