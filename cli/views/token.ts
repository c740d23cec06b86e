/** How tokens are shown. */
import { Token } from '../../proto/index.ts'
import type { ListView } from '../output.ts'
import { timeText } from './security.ts'

export const tokenView: ListView<Token> = {
  json: (token) => Token.toJson(token),
  name: ({ id }) => id,
  columns: [
    { heading: 'ID', cell: ({ id }) => id },
    { heading: 'FOR', cell: ({ role, controlPlane }) => (controlPlane ? 'control plane' : role) },
    { heading: 'USES LEFT', cell: ({ usesLeft }) => String(usesLeft) },
    { heading: 'EXPIRES', cell: ({ expiresAt }) => timeText(expiresAt) },
    { heading: 'DESCRIPTION', cell: ({ description }) => description },
    { heading: 'CREATED BY', cell: ({ createdBy }) => createdBy, wide: true },
    { heading: 'CREATED', cell: ({ createdAt }) => timeText(createdAt), wide: true },
  ],
  hint: 'there are no tokens; make one with: overlayctl cluster token create',
}
