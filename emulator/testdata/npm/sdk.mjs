// Uses the Azure SDKs for JavaScript as an application does. The connection
// string is the one argument; "ok" is the last line when everything holds.
import assert from "node:assert/strict";
import { QueueServiceClient } from "@azure/storage-queue";
import { BlobServiceClient, generateBlobSASQueryParameters, BlobSASPermissions, StorageSharedKeyCredential, BlobClient } from "@azure/storage-blob";
import { TableServiceClient, TableClient, odata, TableTransaction } from "@azure/data-tables";

const conn = process.argv[2];
const id = Date.now().toString(36) + Math.random().toString(36).slice(2, 8);

async function fails(promise, status, code) {
  try {
    await promise;
  } catch (e) {
    assert.equal(e.statusCode, status, `${e}`);
    if (code) assert.equal(e.code ?? e.details?.errorCode ?? e.details?.odataError?.code, code, `${e}`);
    return e;
  }
  assert.fail(`nothing failed, want ${status} ${code}`);
}

async function queues() {
  const service = QueueServiceClient.fromConnectionString(conn);
  const queue = service.getQueueClient("q-" + id);
  await queue.create({ metadata: { purpose: "test" } });
  assert.equal((await queue.createIfNotExists({ metadata: { purpose: "test" } })).succeeded, false);
  assert.equal((await queue.getProperties()).metadata.purpose, "test");
  const text = "<ä> & \"quotes\" \u{1F600}\nnew line\ttab";
  const sent = await queue.sendMessage(text, { messageTimeToLive: -1 });
  assert.ok(sent.popReceipt && sent.messageId);
  assert.equal((await queue.peekMessages({ numberOfMessages: 32 })).peekedMessageItems[0].messageText, text);
  let got = (await queue.receiveMessages({ visibilityTimeout: 60 })).receivedMessageItems;
  assert.equal(got.length, 1);
  assert.equal(got[0].messageText, text);
  assert.equal(got[0].dequeueCount, 1);
  assert.equal((await queue.receiveMessages()).receivedMessageItems.length, 0);
  const updated = await queue.updateMessage(got[0].messageId, got[0].popReceipt, "changed", 0);
  await fails(queue.deleteMessage(got[0].messageId, got[0].popReceipt), 400, "PopReceiptMismatch");
  assert.ok(updated.popReceipt);
  got = (await queue.receiveMessages()).receivedMessageItems;
  assert.equal(got[0].messageText, "changed");
  assert.equal(got[0].dequeueCount, 2);
  await queue.deleteMessage(got[0].messageId, got[0].popReceipt);
  await fails(queue.deleteMessage(got[0].messageId, got[0].popReceipt), 404, "MessageNotFound");
  for (let i = 0; i < 40; i++) await queue.sendMessage(`m${i}`);
  assert.equal((await queue.getProperties()).approximateMessagesCount, 40);
  assert.equal((await queue.receiveMessages({ numberOfMessages: 32 })).receivedMessageItems.length, 32);
  await queue.clearMessages();
  const names = [];
  for await (const q of service.listQueues({ prefix: "q-" + id, includeMetadata: true })) names.push(q.name);
  assert.deepEqual(names, ["q-" + id]);
  const properties = await service.getProperties();
  assert.ok(properties.hourMetrics);
  await fails(queue.sendMessage("x".repeat(65537)), 413, "RequestBodyTooLarge");
  await queue.delete();
  await fails(queue.getProperties(), 404);
}

async function blobs() {
  const service = BlobServiceClient.fromConnectionString(conn);
  const container = service.getContainerClient("c-" + id);
  await container.create();
  await fails(container.create(), 409, "ContainerAlreadyExists");
  const blob = container.getBlockBlobClient("dir/name with späces & +plus");
  const first = await blob.upload("hello world", 11, { metadata: { Kind: "greeting" }, blobHTTPHeaders: { blobContentType: "text/plain" } });
  assert.equal((await blob.downloadToBuffer()).toString(), "hello world");
  assert.equal((await blob.downloadToBuffer(6, 5)).toString(), "world");
  const properties = await blob.getProperties();
  assert.equal(properties.contentLength, 11);
  assert.equal(properties.metadata.kind ?? properties.metadata.Kind, "greeting");
  assert.equal(properties.blobType, "BlockBlob");
  await fails(blob.upload("x", 1, { conditions: { ifNoneMatch: "*" } }), 409, "BlobAlreadyExists");
  await blob.upload("second", 6, { conditions: { ifMatch: first.etag } });
  await fails(blob.upload("third", 5, { conditions: { ifMatch: first.etag } }), 412, "ConditionNotMet");

  const lease = blob.getBlobLeaseClient();
  await lease.acquireLease(15);
  await fails(blob.delete(), 412, "LeaseIdMissing");
  await lease.renewLease();
  await lease.changeLease("11111111-1111-4111-8111-111111111111");
  await blob.setMetadata({ a: "b" }, { conditions: { leaseId: lease.leaseId } });
  await lease.releaseLease();
  const containerLease = container.getBlobLeaseClient();
  await containerLease.acquireLease(-1);
  await containerLease.breakLease(0);

  const big = Buffer.alloc(9 * 1024 * 1024, "abcdefgh");
  const large = container.getBlockBlobClient("large");
  await large.uploadData(big, { blockSize: 1 << 20, concurrency: 4, maxSingleShotSize: 1 << 20 });
  assert.ok((await large.downloadToBuffer()).equals(big));
  assert.equal((await large.getBlockList("all")).committedBlocks.length, 9);
  for (let i = 0; i < 12; i++) await container.getBlockBlobClient(`many/${i}`).upload("x", 1);
  const pages = [];
  for await (const page of container.listBlobsFlat({ prefix: "many/" }).byPage({ maxPageSize: 5 })) pages.push(page.segment.blobItems.length);
  assert.deepEqual(pages, [5, 5, 2]);
  const kinds = [];
  for await (const item of container.listBlobsByHierarchy("/")) kinds.push(item.kind + ":" + item.name);
  assert.deepEqual(kinds.sort(), ["blob:large", "prefix:dir/", "prefix:many/"]);

  const fields = Object.fromEntries(conn.split(";").filter(Boolean).map((p) => [p.slice(0, p.indexOf("=")), p.slice(p.indexOf("=") + 1)]));
  const credential = new StorageSharedKeyCredential(fields.AccountName, fields.AccountKey);
  const sas = generateBlobSASQueryParameters({ containerName: container.containerName, blobName: "large", permissions: BlobSASPermissions.parse("r"), expiresOn: new Date(Date.now() + 60000) }, credential);
  const anonymous = new BlobClient(large.url + "?" + sas);
  assert.equal((await anonymous.getProperties()).contentLength, big.length);
  await fails(anonymous.delete(), 403, "AuthorizationPermissionMismatch");
  const names = [];
  for await (const c of service.listContainers({ prefix: "c-" + id, includeMetadata: true })) names.push(c.name);
  assert.deepEqual(names, ["c-" + id]);
  assert.ok((await service.getProperties()).hourMetrics);
  assert.ok((await service.getAccountInfo()).skuName);
  await container.delete();
  assert.equal(await container.exists(), false);
}

async function tables() {
  const options = { allowInsecureConnection: true };
  const service = TableServiceClient.fromConnectionString(conn, options);
  const name = "T" + id;
  await service.createTable(name);
  await service.createTable(name); // the SDK swallows the conflict
  const table = TableClient.fromConnectionString(conn, name, options);
  const when = new Date("2026-06-01T12:34:57.123Z");
  await table.createEntity({ partitionKey: "p'1", rowKey: "r 1/".replace("/", "|"), text: "ü \"q\"", count: 7, big: 9007199254740993n, ratio: { type: "Double", value: "3" }, flag: true, when, bytes: new Uint8Array([1, 2, 3]), guid: { type: "Guid", value: "12345678-1234-1234-1234-1234567890ab" } });
  const entity = await table.getEntity("p'1", "r 1|");
  assert.equal(entity.text, "ü \"q\"");
  assert.equal(entity.count, 7);
  assert.equal(entity.big, 9007199254740993n);
  assert.equal(entity.flag, true);
  assert.equal(new Date(entity.when).getTime(), when.getTime());
  assert.deepEqual([...entity.bytes], [1, 2, 3]);
  assert.ok(entity.etag);
  await fails(table.createEntity({ partitionKey: "p'1", rowKey: "r 1|" }), 409, "EntityAlreadyExists");
  await table.updateEntity({ partitionKey: "p'1", rowKey: "r 1|", count: 8 }, "Merge", { etag: entity.etag });
  await fails(table.updateEntity({ partitionKey: "p'1", rowKey: "r 1|", count: 9 }, "Replace", { etag: entity.etag }), 412, "UpdateConditionNotSatisfied");
  await table.upsertEntity({ partitionKey: "p'1", rowKey: "new", count: 1 }, "Replace");
  await table.upsertEntity({ partitionKey: "p'1", rowKey: "new", other: 1 }, "Merge");
  assert.equal((await table.getEntity("p'1", "new")).count, 1);

  for (let part = 0; part < 15; part++) {
    const transaction = new TableTransaction();
    for (let i = 0; i < 100; i++) transaction.createEntity({ partitionKey: "batch", rowKey: String(part * 100 + i).padStart(5, "0"), n: part * 100 + i });
    const result = await table.submitTransaction(transaction.actions);
    assert.equal(result.status, 202);
    assert.ok(result.subResponses.every((r) => r.status === 204 || r.status === 201));
    assert.ok(result.getResponseForEntity(String(part * 100).padStart(5, "0")).etag);
  }
  await fails(table.submitTransaction([["create", { partitionKey: "batch", rowKey: "zzz" }], ["create", { partitionKey: "batch", rowKey: "00000" }]]), 409);
  await fails(table.getEntity("batch", "zzz"), 404, "ResourceNotFound");
  let n = 0;
  for await (const e of table.listEntities({ queryOptions: { filter: odata`PartitionKey eq 'batch' and n ge ${100}`, select: ["RowKey", "n"] } })) {
    assert.equal(e.n, 100 + n++);
    assert.equal(e.partitionKey, undefined);
  }
  assert.equal(n, 1400);
  await table.deleteEntity("p'1", "new");
  const names = [];
  for await (const t of service.listTables({ queryOptions: { filter: odata`TableName eq ${name}` } })) names.push(t.name);
  assert.deepEqual(names, [name]);
  assert.ok((await service.getProperties()).logging);
  await table.deleteTable();
  await fails(table.getEntity("a", "b"), 404, "TableNotFound");
}

for (const part of [queues, blobs, tables]) {
  await part();
  console.log(part.name, "passed");
}
console.log("ok");
