/** overlayctl cluster login */
import { Command } from 'commander'
import { parseHostPorts, parseText } from '../../arguments.ts'
import type { LoginOptions } from '../../cluster/login.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'

export function loginCommand(run: Runner): Command {
  return new Command('login')
    .summary('get an identity of your own as admin or viewer')
    .description(
      'Enrols the person who runs this, without root and on any host, with a token of role admin or viewer. The identity and where the controllers are is kept in ~/.config/overlay, for this person only; overlayctl finds it there from then on, and renews the certificate when it is used.',
    )
    .argument('<host:port>', 'a controller; of several, with commas between, the first that answers', parseHostPorts)
    .option('--token <token>', 'as "cluster token create --role admin" has printed it [OVERLAY_TOKEN]', parseText)
    .option('--token-file <file>', 'the file that holds it, or - for standard input', parseText)
    .option('--name <name>', 'who you are, for the lists (default: your user name)', parseText)
    .option('--replace', 'take the place of an identity of the same name')
    .option(
      '--config <file>',
      'the configuration file to write (default: ~/.config/overlay/overlayctl.yaml)',
      parseText,
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl cluster login 10.0.0.1:4780 --token overlay1.…
  overlayctl cluster login 10.0.0.1:4780 --token-file - < token`,
    )
    .action(run(login))
}

async function login(context: Context, controllers: readonly string[], options: LoginOptions): Promise<number> {
  const { enrolPerson } = await import('../../cluster/login.ts')
  const { role, name, config } = await enrolPerson(context, controllers, options)
  context.stdout.write(`you are ${role} ${name} from now on (${config})\n`)
  return exitCode.done
}
