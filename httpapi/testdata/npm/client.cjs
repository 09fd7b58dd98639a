// Calls every method of the durable-functions client against an API. Arguments: the address of the API below which
// instances/ is, the hub's name, a key (may be empty), and a prefix for ids. "ok" is the last line when everything holds.
const assert = require("node:assert/strict");
const [base, hub, key, prefix] = process.argv.slice(2);
process.env.WEBSITE_HOSTNAME = new URL(base).host;
const df = require("durable-functions");

const query = `taskHub=${hub}&connection=Storage${key ? `&code=${key}` : ""}`;
const at = `${base}/instances/INSTANCEID`;
const start = `${base}/orchestrators/{functionName}[/{instanceId}]`;
const binding = {
  taskHubName: hub,
  creationUrls: {
    createNewInstancePostUri: `${start}?${query}`,
    createAndWaitOnNewInstancePostUri: `${start}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${query}`,
  },
  managementUrls: {
    id: "INSTANCEID",
    statusQueryGetUri: `${at}?${query}`,
    sendEventPostUri: `${at}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${at}/terminate?reason={text}&${query}`,
    rewindPostUri: `${at}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${at}?${query}`,
    restartPostUri: `${at}/restart?${query}`,
    suspendPostUri: `${at}/suspend?reason={text}&${query}`,
    resumePostUri: `${at}/resume?reason={text}&${query}`,
  },
  baseUrl: base,
  requiredQueryStringParameters: query,
};

function clientOf(extra) {
  const input = { type: "durableClient", name: "client" };
  return df.getClient({
    options: { extraInputs: [input] },
    extraInputs: { get: () => ({ ...binding, ...extra }) },
    log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {},
  });
}

async function until(client, id, wanted) {
  for (const deadline = Date.now() + 120000; Date.now() < deadline; await new Promise((r) => setTimeout(r, 20))) {
    const status = await client.getStatus(id).catch((e) => ({ error: e.message }));
    if (status.runtimeStatus === wanted) return status;
  }
  assert.fail(`${id} did not become ${wanted}`);
}

const request = { url: `${base}/handler`, method: "GET", headers: new Headers() };

async function run(client, p) {
  // startNew, getStatus, raiseEvent, suspend, resume
  const id = await client.startNew("Approval", { instanceId: `${p}approval`, input: 600000 });
  assert.equal(id, `${p}approval`);
  const running = await until(client, id, "Running");
  assert.equal(running.name, "Approval");
  assert.equal(running.input, 600000);
  assert.ok(running.createdTime instanceof Date && !Number.isNaN(+running.createdTime));
  await client.suspend(id, "50% & more");
  await until(client, id, "Suspended");
  await client.resume(id, "go on");
  await until(client, id, "Running");
  await assert.rejects(client.startNew("Approval", { instanceId: id, input: 1 }));
  await client.raiseEvent(id, "Approval", "yes");
  const completed = await until(client, id, "Completed");
  assert.equal(completed.output, "approved: yes");
  assert.equal(completed.customStatus, "decided");
  await client.getStatus(id, { showHistory: true, showHistoryOutput: true, showInput: false });
  await client.raiseEvent(id, "Approval", "late"); // finished: taken for done
  await client.terminate(id, "late");
  await assert.rejects(client.raiseEvent(`${p}nobody`, "Approval", "x"), /No instance/);
  await assert.rejects(client.terminate(`${p}nobody`, "x"));
  await assert.rejects(client.getStatus(`${p}nobody`));

  // an event without data, a start without an id or input
  const forever = await client.startNew("WaitForever");
  await until(client, forever, "Running");
  await client.raiseEvent(forever, "Any");
  assert.equal((await until(client, forever, "Completed")).output, "Any=");

  // terminate
  await client.startNew("Approval", { instanceId: `${p}ended`, input: 600000 });
  await until(client, `${p}ended`, "Running");
  await client.terminate(`${p}ended`, "enough");
  assert.equal((await until(client, `${p}ended`, "Terminated")).output, "enough");

  // rewind
  await client.startNew("FailsHard", { instanceId: `${p}failed`, input: "boom" });
  await until(client, `${p}failed`, "Failed");
  await client.rewind(`${p}failed`, "again");
  await until(client, `${p}failed`, "Failed");
  await assert.rejects(client.rewind(`${p}ended`, "again"), /Terminated/);
  await assert.rejects(client.rewind(`${p}nobody`, "again"), /no instance/i);

  // getStatusAll, getStatusBy
  const all = (await client.getStatusAll()).map((s) => s.instanceId);
  for (const one of ["approval", "ended", "failed"]) assert.ok(all.includes(p + one), `${one} is not in ${all}`);
  const from = new Date(Date.now() - 3600000);
  const some = await client.getStatusBy({ createdTimeFrom: from, createdTimeTo: new Date(Date.now() + 3600000), runtimeStatus: ["Terminated", "Failed"] });
  assert.deepEqual(some.map((s) => s.instanceId).filter((s) => s.startsWith(p)).sort(), [`${p}ended`, `${p}failed`]);

  // responses
  const links = client.createCheckStatusResponse(request, id);
  assert.equal(links.status, 202);
  const payload = client.createHttpManagementPayload(id);
  assert.ok(payload.statusQueryGetUri.includes(id) && payload.suspendPostUri.includes(id));
  const waited = await client.waitForCompletionOrCreateCheckStatusResponse(request, id, { timeoutInMilliseconds: 5000, retryIntervalInMilliseconds: 100 });
  assert.equal(waited.status, 200);

  // entities
  const entity = new df.EntityId("counter", "one");
  await client.signalEntity(entity, "add", 5);
  assert.equal((await client.readEntityState(entity)).entityExists, false);

  // purge
  assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 1);
  assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
  assert.equal((await client.purgeInstanceHistoryBy({ createdTimeFrom: new Date(0), createdTimeTo: new Date(1000) })).instancesDeleted, 0);
  const purged = await client.purgeInstanceHistoryBy({ createdTimeFrom: from, runtimeStatus: ["Terminated"] });
  assert.ok(purged.instancesDeleted >= 1);
}

(async () => {
  await run(clientOf({}), `${prefix}u-`);
  if (!key) await run(clientOf({ rpcBaseUrl: `${base}/` }), `${prefix}r-`); // this way sends no key
  console.log("ok");
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
