/** overlayctl events */
import { Command } from 'commander'
import { OverlayError } from '../../lib/errors.ts'
import { Event, EventsService } from '../../proto/index.ts'
import type { Context, Runner } from '../context.ts'
import type { Format } from '../globals.ts'
import { eventLine, eventName } from '../views/event.ts'

export function eventsCommand(run: Runner): Command {
  return new Command('events')
    .summary('follow what happens in the cluster')
    .description(
      'Shows changes of networks, endpoints and nodes as they happen, from now on, until Ctrl-C; warnings, with those that there are at the start; and what agents found on their hosts and repaired. Of several controllers (--controller A,B) the next one goes on when one ends; what happened between the two is not shown, and a line on standard error says so. As JSON: one object per line.',
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl events
  overlayctl events -o json | jq -r 'select(.action == "WARNED").message'`,
    )
    .action(run(events))
}

async function events(context: Context): Promise<number> {
  const stream = context.controller.follow(
    (client, call) => client.service(EventsService).watch({}, call),
    (why) =>
      context.note(
        `warning: ${why}: asking the next one; what happens until it tells is not shown, "overlayctl ls" shows what there is`,
      ),
  )
  const text = await eventText(context.globals.output)
  for await (const event of stream) context.stdout.write(text(event))
  throw new OverlayError(
    'unavailable',
    `the controller at ${context.controller.address} ended the stream: start "overlayctl events" again, and look with "overlayctl ls" at what was missed`,
  )
}

async function eventText(format: Format): Promise<(event: Event) => string> {
  switch (format) {
    case 'table':
    case 'wide':
      return eventLine
    case 'name':
      return (event) => `${eventName(event)}\n`
    case 'json':
      return (event) => `${JSON.stringify(Event.toJson(event))}\n`
    case 'yaml': {
      const { stringify } = await import('yaml')
      return (event) => `---\n${stringify(Event.toJson(event))}`
    }
  }
}
