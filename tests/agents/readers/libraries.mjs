// Reads lines of base64 documents, prints a line of JSON with what each library took.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [format, cache] = process.argv.slice(2)
const at = (folder) => createRequire(`${cache}/${folder}/node_modules/`)
const pairs = (value) => {
  if (Array.isArray(value)) return value.map(pairs)
  if (typeof value === 'number') return { n: Object.is(value, -0) ? '-0' : String(value) }
  if (value === null || typeof value !== 'object') return value
  return { t: Object.entries(value).map(([name, value]) => [name, pairs(value)]) }
}
const readers = {}
if (format === 'dotenv') {
  for (const major of ['16.6', '18']) {
    const { parse } = at(`dotenv-${major}`)('dotenv')
    readers[`dotenv ${major}`] = (text) => parse(text)
  }
} else {
  const load = async (name) => import(pathToFileURL(at('json').resolve(name)).href)
  const jsonc = at('json')('jsonc-parser')
  const json5 = at('json')('json5')
  const strip = (await load('strip-json-comments')).default
  readers['JSON.parse'] = (text) => JSON.parse(text)
  readers['jsonc-parser'] = (text) => jsonc.parse(text, [], { allowTrailingComma: true })
  readers['json5'] = (text) => json5.parse(text)
  readers['strip-json-comments'] = (text) => JSON.parse(strip(text))
}
// JSON5 warns of what the readers refuse.
console.warn = () => {}
const lines = createInterface({ input: process.stdin })
let out = []
for await (const line of lines) {
  const text = Buffer.from(line, 'hex').toString('utf8')
  const took = {}
  for (const [name, read] of Object.entries(readers)) {
    try {
      const value = read(format === 'json' ? text.replace(/^\uFEFF/, '') : text)
      if (value !== undefined) took[name] = pairs(value)
    } catch {}
  }
  out.push(JSON.stringify(took))
  if (out.length === 1000) { process.stdout.write(out.join('\n') + '\n'); out = [] }
}
if (out.length) process.stdout.write(out.join('\n') + '\n')
