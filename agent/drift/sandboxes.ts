/** Where the sandboxes of this host's endpoints are to be found. */
import type { SandboxOf } from '../kernel/kernel.ts'
import { isPluggable } from '../plan.ts'
import { vethName } from '../state/device-names.ts'
import type { EndpointView, Self } from '../state/view.ts'

/** As the view has them now. */
export function sandboxesOf(view: { readonly self: Self; localEndpoints(): Iterable<EndpointView> }): SandboxOf {
  const places = new Map(
    Array.from(view.localEndpoints()).flatMap((endpoint) => {
      const { id, sandbox } = endpoint
      if (!sandbox || !isPluggable(view.self, endpoint)) return []
      return [[vethName(id), { netns: sandbox.path, cookie: sandbox.cookie }] as const]
    }),
  )
  return (name) => places.get(name)
}
