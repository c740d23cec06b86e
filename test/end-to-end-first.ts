/** Files that take long must not be begun last, when there is nothing left to run beside them. */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export default class EndToEndFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project, moduleId }: TestSpecification) => `${project.name === 'e2e' ? 0 : 1} ${moduleId}`
    return files.toSorted((a, b) => place(a).localeCompare(place(b)))
  }
}
