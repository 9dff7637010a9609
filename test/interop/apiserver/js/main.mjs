// SPDX-License-Identifier: Apache-2.0
// The npm client against `sampan apiserver`: KUBECONFIG names it. The last line is "N passed, N failed".
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
let passed = 0, failed = 0;

async function check(name, fn) {
	try {
		await fn();
		passed++;
	} catch (e) {
		failed++;
		console.log(`FAIL ${name}: ${e.stack ?? e}`);
	}
}

function expect(what, ok) {
	if (!ok) throw new Error(what);
}

// Calls fn until it is true: for what an informer of this process does.
async function eventually(what, fn) {
	for (const end = Date.now() + 20000; Date.now() < end; await new Promise((r) => setTimeout(r, 20))) if (fn()) return;
	throw new Error(`not within 20 s: ${what}`);
}

const namespace = 'js';
await check('namespace', () => core.createNamespace({ body: { metadata: { name: namespace } } }));

await check('informer', async () => {
	const list = () => core.listNamespacedConfigMap({ namespace });
	const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
	const seen = { add: 0, update: 0, delete: 0 };
	for (const verb of Object.keys(seen)) informer.on(verb, () => seen[verb]++);
	let error;
	informer.on('error', (e) => (error = e));
	await informer.start();
	for (let i = 0; i < 30; i++) await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: `m-${i}` }, data: { n: '0' } } });
	for (let i = 0; i < 30; i++) {
		const m = await core.readNamespacedConfigMap({ namespace, name: `m-${i}` });
		m.data.n = '1';
		await core.replaceNamespacedConfigMap({ namespace, name: `m-${i}`, body: m });
	}
	await core.deleteCollectionNamespacedConfigMap({ namespace });
	await eventually('all events', () => seen.delete === 30);
	expect(`${JSON.stringify(seen)} ${error}`, seen.add === 30 && seen.update === 30 && !error);
	await informer.stop();
});

await check('server-side apply', async () => {
	const spec = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace }, data: { a: 'b' } };
	const made = await objects.patch(spec, undefined, undefined, 'js', true, k8s.PatchStrategy.ServerSideApply);
	expect('field manager', made.metadata.managedFields[0].manager === 'js');
	const read = await objects.read({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace } });
	expect('data', read.data.a === 'b');
});

await check('scale', async () => {
	await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: 'd' }, spec: { replicas: 1, selector: { matchLabels: { a: 'b' } },
		template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } } });
	const scale = await apps.readNamespacedDeploymentScale({ namespace, name: 'd' });
	scale.spec.replicas = 4;
	await apps.replaceNamespacedDeploymentScale({ namespace, name: 'd', body: scale });
	const d = await apps.readNamespacedDeployment({ namespace, name: 'd' });
	expect('replicas', d.spec.replicas === 4);
});

await check('errors', async () => {
	const e = await core.readNamespacedSecret({ namespace, name: 'none' }).then(() => null, (e) => e);
	expect(`${e}`, e.code === 404 && JSON.parse(e.body).reason === 'NotFound');
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
