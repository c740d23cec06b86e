import { defineConfig } from 'vitest/config'
import EndToEndFirst from './test/end-to-end-first.ts'

const parts = ['**/*.etcd.spec.ts', '**/*.kernel.spec.ts']
const never = ['node_modules/**', 'dist/**']
/** One process runs many files, and loads each module once: without that, loading takes longer than the tests. */
const isolate = false

/**
 * unit: pure logic, no root needed. parts: one part against a real etcd or the
 * real kernel (root). e2e: the built daemons on hosts made of namespaces
 * (root, after `npm run build`). hosts: the package on hosts with an init of
 * their own (root, after `npm run package`).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          isolate,
          include: ['**/*.spec.ts'],
          exclude: [...never, ...parts, 'test/e2e/**', 'test/hosts/nspawn/**'],
        },
      },
      {
        test: { name: 'parts', isolate, include: parts, exclude: never, testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: {
          name: 'e2e',
          isolate,
          include: ['test/e2e/**/*.spec.ts'],
          exclude: never,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'hosts',
          isolate,
          include: ['test/hosts/nspawn/**/*.spec.ts'],
          exclude: never,
          globalSetup: './test/hosts/nspawn/prepare.ts',
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
    maxWorkers: 3,
    sequence: { sequencer: EndToEndFirst },
    reporters: ['default', './test/tally-reporter.ts'],
  },
})
