/** Settles as `promise`, or rejects with `late` when that takes longer than so many milliseconds. */
export async function within<T>(promise: Promise<T>, milliseconds: number, late: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), milliseconds)
  })
  return Promise.race([promise, over]).finally(() => clearTimeout(timer))
}
