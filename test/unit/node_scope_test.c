/* SPDX-License-Identifier: Apache-2.0 */
/* Service accounts that are limited to their token's node. The server of these tests allows everybody
 * everything, so what is refused here is refused by that limit alone. */
#include "lib/api_ask.h"
#include "lib/t.h"

#define AGENT "system:serviceaccount:default:agent"
#define PLAIN "system:serviceaccount:default:plain"
#define NS "/api/v1/namespaces/default"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define LIMITED "the service account is limited to node \\\"n1\\\" (sampan.dev/node-scoped): "

static void post(t_asker *f, const char *path, const char *body)
{
	t_ask_one(f, &(t_req){.method = "POST", .path = path, .body = sp_str_c(body)}, 201, NULL);
}

#define POD(name, node, secret)                                                                            \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"nodeName\":\"" node                             \
	"\",\"automountServiceAccountToken\":"                                                             \
	"false,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[{\"name\":\"E\",\"valueFrom\":{"   \
	"\"configMapKeyRef\":{\"name\":\"c-" secret "\",\"key\":\"k\"}}}]}],\"volumes\":[{\"name\":\"s\"," \
	"\"secret\":{\"secretName\":\"s-" secret                                                           \
	"\"}},{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":"                                   \
	"\"d-" secret "\"}}]}}"
#define NAMED(name) "{\"metadata\":{\"name\":\"" name "\"}}"
#define CLAIM(name, volume)                                                          \
	"{\"metadata\":{\"name\":\"" name                                            \
	"\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"volumeName\":\"" volume \
	"\",\"storageClassName\":\"\",\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}"
#define VOLUME(name, claim)                                                                                  \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"capacity\":{" \
	"\"storage\":\"1Mi\"},\"hostPath\":{\"path\":\"/"                                                    \
	"v\"},\"claimRef\":{\"namespace\":\"default\",\"name\":\"" claim "\"}}}"

static const struct {
	const char *path, *body;
} objects[] = {
	{NS "/serviceaccounts",
	 "{\"metadata\":{\"name\":\"agent\",\"annotations\":{\"sampan.dev/node-scoped\":\"true\"}}}"},
	{NS "/serviceaccounts",
	 "{\"metadata\":{\"name\":\"plain\",\"annotations\":{\"sampan.dev/node-scoped\":\"false\"}}}"},
	{"/api/v1/nodes", NAMED("n1")},
	{"/api/v1/nodes", NAMED("n2")},
	{NS "/secrets", NAMED("s-one")},
	{NS "/secrets", NAMED("s-two")},
	{NS "/configmaps", NAMED("c-one")},
	{NS "/configmaps", NAMED("c-two")},
	{NS "/persistentvolumeclaims", CLAIM("d-one", "v-one")},
	{NS "/persistentvolumeclaims", CLAIM("d-two", "v-two")},
	{"/api/v1/persistentvolumes", VOLUME("v-one", "d-one")},
	{"/api/v1/persistentvolumes", VOLUME("v-two", "d-two")},
	{NS "/pods", POD("p1", "n1", "one")},
	{NS "/pods", POD("p2", "n2", "two")},
	{LEASES, NAMED("n1")},
	{LEASES, NAMED("n2")},
};

static t_asker *with_objects(void)
{
	t_asker *f = t_asker_open();
	if (f == NULL)
		return NULL;
	t_ask_one(f,
		  &(t_req){.method = "POST",
			   .path = "/api/v1/namespaces",
			   .body = SP_STR(NAMED("kube-node-lease"))},
		  201, NULL);
	for (size_t i = 0; i < SP_LEN(objects) && !t_failed(); i++)
		post(f, objects[i].path, objects[i].body);
	return t_failed() ? NULL : f;
}

#define MERGE "application/merge-patch+json"
#define STATUS_OF_POD "{\"status\":{\"message\":\"m\"}}"
#define NOTE "{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}"
#define SELECTS(field, value) "?fieldSelector=" field "%3D" value

/* With a token of n1; a method in lower case is a PATCH's body. */
static const struct {
	const char *method, *path, *body;
	uint16_t status;
	const char *like;
} rows[] = {
	/* reads */
	{"GET", "/api/v1/nodes/n1", NULL, 200, NULL},
	{"GET", "/api/v1/nodes/n2", NULL, 403, "*" LIMITED "only the object of that node can be touched*"},
	{"GET", "/api/v1/nodes", NULL, 403,
	 "*" LIMITED "a list or watch needs the field selector metadata.name=n1*"},
	{"GET", "/api/v1/nodes" SELECTS("metadata.name", "n1"), NULL, 200, NULL},
	{"GET", "/api/v1/nodes" SELECTS("metadata.name", "n2"), NULL, 403,
	 "*a list or watch needs the field selector metadata.name=n1*"},
	{"GET", NS "/pods/p1", NULL, 200, NULL},
	{"GET", NS "/pods/p2", NULL, 403,
	 "*" LIMITED "no relationship found between node 'n1' and this object*"},
	{"GET", NS "/pods", NULL, 403,
	 "*" LIMITED "a list or watch needs the field selector spec.nodeName=n1*"},
	{"GET", "/api/v1/pods", NULL, 403,
	 "*" LIMITED "a list or watch needs the field selector spec.nodeName=n1*"},
	{"GET", "/api/v1/pods" SELECTS("spec.nodeName", "n1"), NULL, 200, NULL},
	{"GET", NS "/pods" SELECTS("spec.nodeName", "n1"), NULL, 200, NULL},
	{"GET", "/api/v1/pods" SELECTS("spec.nodeName", "n2"), NULL, 403,
	 "*field selector spec.nodeName=n1*"},
	{"GET", "/api/v1/pods" SELECTS("spec.nodeName!", "n2"), NULL, 403,
	 "*field selector spec.nodeName=n1*"},
	{"GET", "/api/v1/pods" SELECTS("spec.nodeName", "n2") "&watch=1", NULL, 403,
	 "*field selector spec.nodeName=n1*"},
	{"GET", "/api/v1/watch/pods", NULL, 403, "*field selector spec.nodeName=n1*"},
	{"GET", NS "/pods/p1/log", NULL, 403, "*" LIMITED "the node itself may not*"},
	{"GET", NS "/secrets/s-one", NULL, 200, NULL},
	{"GET", NS "/secrets/s-two", NULL, 403, "*no relationship found between node 'n1' and this object*"},
	{"GET", NS "/secrets", NULL, 403, "*" LIMITED "*"},
	{"GET", "/api/v1/secrets", NULL, 403, "*" LIMITED "*"},
	{"GET", NS "/secrets" SELECTS("metadata.name", "s-one"), NULL, 200, NULL},
	{"GET", NS "/secrets" SELECTS("metadata.name", "s-two"), NULL, 403, NULL},
	{"GET", NS "/configmaps/c-one", NULL, 200, NULL},
	{"GET", NS "/configmaps/c-two", NULL, 403, NULL},
	{"GET", NS "/persistentvolumeclaims/d-one", NULL, 200, NULL},
	{"GET", NS "/persistentvolumeclaims/d-two", NULL, 403, NULL},
	{"GET", NS "/persistentvolumeclaims", NULL, 403, NULL},
	{"GET", "/api/v1/persistentvolumes/v-one", NULL, 200, NULL},
	{"GET", "/api/v1/persistentvolumes/v-two", NULL, 403, NULL},
	{"GET", LEASES "/n1", NULL, 200, NULL},
	{"GET", LEASES "/n2", NULL, 403, NULL},
	{"GET", LEASES, NULL, 403, "*field selector metadata.name=n1*"},
	{"GET", LEASES SELECTS("metadata.name", "n1"), NULL, 200, NULL},
	{"GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/n1", NULL, 403, NULL},
	/* anything else */
	{"GET", NS "/services", NULL, 403, "*" LIMITED "only that Node, its Lease, the pods bound to it*"},
	{"GET", "/api/v1/namespaces/default", NULL, 403, "*" LIMITED "*"},
	{"GET", "/apis/apps/v1/deployments", NULL, 403, "*" LIMITED "*"},
	{"GET", NS "/serviceaccounts/agent", NULL, 403, "*" LIMITED "*"},
	{"GET", "/metrics", NULL, 403,
	 "*" LIMITED "of paths only those of discovery and health can be read*"},
	{"POST", "/api/v1", "{}", 403, NULL},
	{"GET", "/apis/apps/v1", NULL, 200, NULL},
	{"GET", "/version", NULL, 200, NULL},
	{"GET", "/", NULL, 403, NULL},
	{"GET", "/api/v1", NULL, 200, NULL},
	{"GET", NS "/pods/p1/status", NULL, 200, NULL},
	{"GET", NS "/pods/p2/status", NULL, 403, "*" LIMITED "the pod is not bound to that node*"},
	{"GET", "/api/v1/nodes/n1/status", NULL, 200, NULL},
	{"GET", "/api/v1/nodes/n2/status", NULL, 403, NULL},
	{"GET", "/api/v1/nodes/n1/proxy/metrics", NULL, 403, "*" LIMITED "the node itself may not*"},
	/* writes */
	{"PATCH", "/api/v1/nodes/n1", NOTE, 200, NULL},
	{"PATCH", "/api/v1/nodes/n2", NOTE, 403, "*" LIMITED "*"},
	{"PATCH", "/api/v1/nodes/n1", "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]}}",
	 403, "*is not allowed to modify taints*"},
	{"PATCH", "/api/v1/nodes/n1/status", "{\"status\":{}}", 200, NULL},
	{"PATCH", "/api/v1/nodes/n2/status", "{\"status\":{}}", 403, "*" LIMITED "*"},
	{"DELETE", "/api/v1/nodes/n1", NULL, 403, "*" LIMITED "*"},
	{"POST", "/api/v1/nodes", NAMED("n3"), 403,
	 "*node \\\"n1\\\" is not allowed to modify node \\\"n3\\\"*"},
	{"PATCH", LEASES "/n1", NOTE, 200, NULL},
	{"PATCH", LEASES "/n2", NOTE, 403, "*" LIMITED "*"},
	{"POST", LEASES, NAMED("n3"), 403, "*can only access node lease with the same name*"},
	{"PATCH", NS "/pods/p1/status", STATUS_OF_POD, 200, NULL},
	{"PATCH", NS "/pods/p2/status", STATUS_OF_POD, 403, "*" LIMITED "the pod is not bound to that node*"},
	{"PATCH", NS "/pods/p1", NOTE, 403, "*" LIMITED "*"},
	{"POST", NS "/pods", POD("p3", "n1", "two"), 403, "*can only create mirror pods*"},
	{"POST", NS "/pods/p2/eviction", "{\"metadata\":{\"name\":\"p2\"}}", 403, "*" LIMITED "*"},
	{"POST", NS "/pods/p1/binding", "{\"target\":{\"name\":\"n1\"}}", 403, "*" LIMITED "*"},
	{"DELETE", NS "/pods/p2", NULL, 403, "*" LIMITED "the pod is not bound to that node*"},
	{"DELETE", NS "/pods" SELECTS("spec.nodeName", "n1"), NULL, 403, "*" LIMITED "*"},
	{"PATCH", NS "/secrets/s-one", NOTE, 403, "*" LIMITED "*"},
	{"DELETE", NS "/secrets/s-one", NULL, 403, "*" LIMITED "*"},
	{"POST", NS "/secrets", NAMED("s-three"), 403, "*" LIMITED "*"},
	{"PATCH", NS "/configmaps/c-one", NOTE, 403, "*" LIMITED "*"},
	/* ways out */
	{"POST", NS "/serviceaccounts/plain/token", "{\"spec\":{}}", 403, "*" LIMITED "*"},
	{"PATCH", NS "/serviceaccounts/agent", "{\"metadata\":{\"annotations\":null}}", 403, "*" LIMITED "*"},
	{"POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", NAMED("r"), 403, "*" LIMITED "*"},
	{"POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", "{}", 403, "*" LIMITED "*"},
	{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "{}", 403, "*" LIMITED "*"},
	{"DELETE", NS "/pods/p1", NULL, 200, NULL},
};

static t_req request(size_t i)
{
	bool patches = strcmp(rows[i].method, "PATCH") == 0;
	return (t_req){.method = rows[i].method,
		       .path = rows[i].path,
		       .type = patches ? MERGE : NULL,
		       .body = sp_str_c(rows[i].body)};
}

SP_TEST(node_scope, a_token_of_a_node)
{
	t_asker *f = with_objects();
	T_TRUE(f != NULL);
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		t_req q = request(i);
		q.user = AGENT;
		q.node = "n1";
		t_row("%zu: %s %s", i, rows[i].method, rows[i].path);
		t_ask_one(f, &q, rows[i].status, rows[i].like);
	}
}

/* From another node, without a node, of another account. */
SP_TEST(node_scope, other_tokens)
{
	static const struct {
		const char *user, *node, *path;
		uint16_t status;
		const char *like;
	} others[] = {
		{AGENT, "n2", NS "/secrets/s-one", 403,
		 "*no relationship found between node 'n2' and this object*"},
		{AGENT, "n2", NS "/secrets/s-two", 200, NULL},
		{AGENT, "n3", NS "/secrets/s-one", 403, NULL},
		{AGENT, NULL, NS "/secrets/s-one", 403,
		 "*(sampan.dev/node-scoped): the token names no node*"},
		{AGENT, NULL, "/api/v1", 403, "*the token names no node*"},
		{PLAIN, "n2", NS "/secrets/s-one", 200, NULL},
		{PLAIN, NULL, "/api/v1/pods", 200, NULL},
		{"system:serviceaccount:default:ghost", NULL, "/api/v1/pods", 200, NULL},
		/* A token that outlives its account. */
		{"system:serviceaccount:default:ghost", "n1", "/api/v1/pods", 403, NULL},
		{"system:serviceaccount:other:agent", NULL, "/api/v1/pods", 200, NULL},
		{"bob", "n1", "/api/v1/pods", 200, NULL},
	};
	t_asker *f = with_objects();
	T_TRUE(f != NULL);
	for (size_t i = 0; i < SP_LEN(others) && !t_failed(); i++) {
		t_row("%zu", i);
		t_ask_one(f,
			  &(t_req){.method = "GET",
				   .path = others[i].path,
				   .user = others[i].user,
				   .node = others[i].node},
			  others[i].status, others[i].like);
	}
	/* The annotation counts as soon as it is there. */
	t_ask_one(f,
		  &(t_req){.method = "PATCH",
			   .path = NS "/serviceaccounts/plain",
			   .type = MERGE,
			   .body = SP_STR(
				   "{\"metadata\":{\"annotations\":{\"sampan.dev/node-scoped\":\"true\"}}}")},
		  200, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = NS "/secrets/s-one", .user = PLAIN, .node = "n2"}, 403,
		  NULL);
}

#define REVIEW(attributes, node)                                                                           \
	"{\"spec\":{\"user\":\"" AGENT "\",\"extra\":{\"authentication.kubernetes.io/node-name\":[\"" node \
	"\"]},"                                                                                            \
	"\"resourceAttributes\":{" attributes "}}}"

SP_TEST(node_scope, reviews)
{
	static const char *const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
	static const struct {
		const char *body, *like;
	} reviews[] = {
		{REVIEW("\"verb\":\"get\",\"resource\":\"pods\",\"namespace\":\"default\",\"name\":\"p1\"",
			"n1"),
		 "*\"status\":{\"allowed\":true*"},
		{REVIEW("\"verb\":\"get\",\"resource\":\"pods\",\"namespace\":\"default\",\"name\":\"p1\"",
			"n2"),
		 "*\"status\":{\"allowed\":false,\"denied\":true,\"reason\":\"the service account is limited "
		 "to node*"},
		{REVIEW("\"verb\":\"list\",\"resource\":\"pods\",\"fieldSelector\":{\"requirements\":[{"
			"\"key\":"
			"\"spec.nodeName\",\"operator\":\"In\",\"values\":[\"n1\"]}]}",
			"n1"),
		 "*\"status\":{\"allowed\":true*"},
		{REVIEW("\"verb\":\"impersonate\",\"resource\":\"users\",\"name\":\"admin\"", "n1"),
		 "*\"denied\":true*"},
		{REVIEW("\"verb\":\"*\",\"resource\":\"*\",\"group\":\"*\"", "n1"), "*\"denied\":true*"},
	};
	t_asker *f = with_objects();
	T_TRUE(f != NULL);
	for (size_t i = 0; i < SP_LEN(reviews) && !t_failed(); i++) {
		t_row("%zu", i);
		t_ask_one(f, &(t_req){.method = "POST", .path = path, .body = sp_str_c(reviews[i].body)}, 201,
			  reviews[i].like);
	}
	t_ask_one(f,
		  &(t_req){.method = "POST",
			   .path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
			   .user = AGENT,
			   .node = "n1",
			   .body = SP_STR("{\"spec\":{\"namespace\":\"default\"}}")},
		  201, "*\"incomplete\":true*");
}
