/** Machines on one network; what they are made of is a lab's, and goes with it. */
import { randomBytes } from 'node:crypto'
import { createRecord } from '../../lab/record.ts'
import { reap, removeLab } from '../../lab/residue.ts'
import { makeImage } from './image.ts'

import { createSwitch } from './switch.ts'
import { createVirtualMachine, type VirtualMachine } from './virtual-machine.ts'

export interface Machines extends AsyncDisposable {
  readonly all: readonly VirtualMachine[]
  /** 1 is the first. @throws Error when there is no such machine. */
  machine(number: number): VirtualMachine
  /** Their consoles and logs. */
  readonly directory: string
}

export interface MachinesOptions {
  readonly count: number
  /** MiB each. */
  readonly memory: number
}

/** Boots them; taken down with the process too, however it ends. */
export async function bootMachines({ count, memory }: MachinesOptions): Promise<Machines> {
  const image = await makeImage()
  reap()
  const id = randomBytes(3).toString('hex')
  const directory = createRecord(id, { keep: false })
  const atExit = () => removeLab(id)
  process.on('exit', atExit)
  const down = async () => {
    process.off('exit', atExit)
    removeLab(id)
  }
  try {
    const network = await createSwitch(id, count)
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    const all = await Promise.all(
      numbers.map((number) => createVirtualMachine({ number, image, network, directory, memory })),
    )
    await Promise.all(all.map((machine) => machine.start()))
    return {
      all,
      directory,
      machine(number) {
        const machine = all[number - 1]
        if (!machine) throw new Error(`there is no machine ${number}`)
        return machine
      },
      [Symbol.asyncDispose]: down,
    }
  } catch (error) {
    await down()
    throw error
  }
}
