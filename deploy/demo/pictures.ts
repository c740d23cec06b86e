/** What was measured, as text for people. */
import type { VxlanPacket } from '../../test/lab/captured.ts'
import type { Workload } from './workloads.ts'

/** Who (rows) was answered by whom (columns). */
export function matrixTable(workloads: readonly Workload[], answered: readonly (readonly boolean[])[]): string {
  const cell = (row: number, column: number) => (row === column ? '.' : answered[row]?.[column] ? 'ok' : 'LOST')
  const heading = ['', ...workloads.map(({ name }) => name)]
  const rows = workloads.map(({ name, host, address }, row) => [
    `${name} (${host.name}, ${address})`,
    ...workloads.map((_, column) => cell(row, column)),
  ])
  return columns([heading, ...rows])
}

export function packetLines(packets: readonly VxlanPacket[]): string {
  return packets
    .map(({ from, to, port, vni, inner }) => `${from} > ${to}  UDP ${port}  VNI ${vni}  [ ${inner.text} ]`)
    .join('\n')
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
