/** The API as a page: every service and message, with what its .proto file says of it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'

const proto = join(import.meta.dirname, '../../proto')
/** In the order of the page: how a person meets them. */
const files = ['controller.proto', 'agent.proto', 'security.proto', 'records.proto'] as const
const titles: Record<(typeof files)[number], string> = {
  'controller.proto': "The controller's services",
  'agent.proto': "The agent's service",
  'security.proto': 'Enrolment, certificates, and the control plane',
  'records.proto': 'Records: what etcd holds, and what answers are made of',
}

export function apiPage(): string {
  const root = load()
  return [
    '# API',
    '',
    'Every call and message, from the `.proto` files in [proto/overlay/v1](../../proto/overlay/v1), package `overlay.v1`. `overlayctl -o json` prints these messages as canonical proto3 JSON: names in lowerCamelCase, 64-bit numbers as text, `bytes` as base64, what has its default value left out. Controllers serve gRPC with health and reflection, so that `grpcurl` can look at them; who may call what is in [security](../security.md).',
    '',
    ...files.flatMap((file) => [`## ${titles[file]}`, '', ...declaredIn(root, file).flatMap(section)]),
  ].join('\n')
}

function load(): protobuf.Root {
  const present = readdirSync(join(proto, 'overlay/v1')).toSorted()
  const missing = present.filter((file) => !files.some((known) => known === file))
  if (missing.length > 0) throw new Error(`give ${missing.join(', ')} a place on the page of the API`)
  const root = new protobuf.Root()
  root.resolvePath = (_, target) => (target.startsWith('/') ? target : join(proto, target))
  root.loadSync(
    files.map((file) => join(proto, 'overlay/v1', file)),
    { keepCase: true, alternateCommentMode: true },
  )
  root.resolveAll()
  return root
}

function declaredIn(root: protobuf.Root, file: string): readonly protobuf.ReflectionObject[] {
  const all = (root.lookup('overlay.v1') as protobuf.Namespace).nestedArray
  const here = all.filter((object) => object.filename?.endsWith(`/${file}`))
  return [
    ...here.filter((object) => object instanceof protobuf.Service),
    ...here.filter((object) => !(object instanceof protobuf.Service)),
  ]
}

function section(object: protobuf.ReflectionObject): readonly string[] {
  if (object instanceof protobuf.Service) return service(object)
  if (object instanceof protobuf.Type) return message(object)
  if (object instanceof protobuf.Enum) return [`### ${object.name}`, '', ...text(object.comment), ...values(object)]
  return []
}

function service(described: protobuf.Service): readonly string[] {
  const rows = described.methodsArray.map(
    ({ name, requestType, responseType, requestStream, responseStream, comment }) => [
      `\`${name}\``,
      `${requestStream ? 'stream of ' : ''}${link(requestType)}`,
      `${responseStream ? 'stream of ' : ''}${link(responseType)}`,
      cell(comment),
    ],
  )
  return [`### ${described.name}`, '', ...text(described.comment), ...table(['call', 'takes', 'gives', ''], rows)]
}

function message(type: protobuf.Type): readonly string[] {
  const enums = type.nestedArray.filter((nested) => nested instanceof protobuf.Enum)
  const rows = type.fieldsArray.map((field) => [
    `${field.id}`,
    `\`${field.name}\``,
    `${typeOf(field)}${field.partOf ? ` (one of \`${field.partOf.name}\`)` : ''}`,
    cell(field.comment),
  ])
  return [
    `### ${type.name}`,
    '',
    ...text(type.comment),
    ...(rows.length > 0 ? table(['', 'field', 'type', ''], rows) : ['No fields.', '']),
    ...enums.flatMap((nested) => [`\`${nested.name}\`:`, '', ...values(nested)]),
  ]
}

function values(described: protobuf.Enum): readonly string[] {
  const rows = Object.entries(described.values).map(([name, number]) => [
    `${number}`,
    `\`${name}\``,
    cell(described.comments[name] ?? null),
  ])
  return table(['', 'value', ''], rows)
}

function typeOf(field: protobuf.Field): string {
  const element = field.resolvedType instanceof protobuf.Type ? link(field.resolvedType.name) : `\`${field.type}\``
  if (field instanceof protobuf.MapField) return `map of \`${field.keyType}\` to ${element}`
  return field.repeated ? `list of ${element}` : element
}

function link(type: string): string {
  return `[${type}](#${type.toLowerCase()})`
}

function text(comment: string | null): readonly string[] {
  return comment ? [comment.replaceAll('\n', ' '), ''] : []
}

function cell(comment: string | null): string {
  return (comment ?? '').replaceAll('\n', ' ').replaceAll('|', '\\|')
}

/** One row a line, as the widths of cells change with every word. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line), '']
}
