// SPDX-License-Identifier: MIT
// decode.mjs WORK PROFILE: prints as JSON what npm's pprof-format, fetched into WORK, reads in a profile.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { createRequire } from "node:module";

const [work, file] = process.argv.slice(2);
const { Profile } = createRequire(path.join(path.resolve(work), "package.json"))("pprof-format");
const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(file)));
const text = (index) => profile.stringTable.strings[Number(index)];
const byId = (list) => new Map(list.map((item) => [Number(item.id), item]));
const locations = byId(profile.location), functions = byId(profile.function);

console.log(JSON.stringify({
  types: profile.sampleType.map((t) => [text(t.type), text(t.unit)]),
  buildIds: profile.mapping.map((m) => text(m.buildId)),
  samples: profile.sample.map((s) => ({
    way: s.locationId.flatMap((id) => locations.get(Number(id)).line
      .map((line) => text(functions.get(Number(line.functionId)).name))),
    values: s.value.map(Number),
  })),
}));
