import { defineConfig } from 'vitest/config'

const parts = ['**/*.etcd.spec.ts', '**/*.kernel.spec.ts']
const never = ['node_modules/**', 'dist/**']

/**
 * unit: pure logic, no root needed. parts: one part against a real etcd or the
 * real kernel (root). e2e: the built daemons on hosts made of namespaces
 * (root, after `npm run build`).
 */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['**/*.spec.ts'], exclude: [...never, ...parts, 'test/e2e/**'] } },
      {
        test: { name: 'parts', include: parts, exclude: never, testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          exclude: never,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
    maxWorkers: 3,
    reporters: ['default', './test/tally-reporter.ts'],
  },
})
