/* SPDX-License-Identifier: Apache-2.0 */
/* Files of static pods. */
#include "kube/view.h"
#include "lib/t.h"
#include "node/manifest.h"
#include "node/pod.h"

static void no_random(void *arg, void *bytes, size_t n)
{
	(void)arg;
	memset(bytes, 0, n);
}

static const node_manifest_source here = {.node_name = SP_STR_INIT("node1"),
					  .path = SP_STR_INIT("/manifests/web.yaml"),
					  .now = {.seconds = 1700000000, .nanos = 5},
					  .random = no_random};

static const char web[] = "apiVersion: v1\n"
			  "kind: Pod\n"
			  "metadata:\n"
			  "  name: web\n"
			  "  labels: {app: web}\n"
			  "spec:\n"
			  "  containers:\n"
			  "  - name: c\n"
			  "    image: i:1\n";

static yyjson_val *read_web(sp_str *ret_json)
{
	yyjson_val *tree = NULL;
	if (node_manifest_read(T_ARENA, sp_str_c(web), &here, ret_json, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, *ret_json, &tree, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "%s", T_ERR->msg);
	return tree;
}

static sp_str note(yyjson_val *tree, const char *key)
{
	return sp_json_str(sp_json_last(sp_view_at(tree, "metadata.annotations"), sp_str_c(key)));
}

SP_TEST(node_manifest, what_is_put_in)
{
	sp_str json, again, other;
	yyjson_val *tree = read_web(&json);
	T_TRUE(tree != NULL);
	T_EQ_C(sp_view_str_at(tree, "metadata.name"), "web-node1");
	T_EQ_C(sp_view_str_at(tree, "metadata.namespace"), "default");
	T_EQ_C(sp_view_str_at(tree, "metadata.labels.app"), "web");
	T_EQ_C(sp_view_str_at(tree, "spec.nodeName"), "node1");
	T_EQ_C(sp_view_str_at(tree, "spec.restartPolicy"), "Always");
	T_EQ_C(sp_view_str_at(tree, "status.phase"), "Pending");
	T_EQ_C(note(tree, "kubernetes.io/config.source"), "file");
	T_EQ_C(note(tree, "kubernetes.io/config.seen"), "2023-11-14T22:13:20.000000005Z");
	sp_str uid = sp_view_str_at(tree, "metadata.uid");
	T_EQ_U64(uid.len, 32);
	T_TRUE(sp_str_eq(uid, note(tree, NODE_NOTE_CONFIG_HASH)));
	yyjson_val *toleration = yyjson_arr_get_first(sp_view_at(tree, "spec.tolerations"));
	T_EQ_C(sp_view_str_at(toleration, "operator"), "Exists");
	T_EQ_C(sp_view_str_at(toleration, "effect"), "NoExecute");
	/* The same file is the same pod, whenever it is read; another path or text is another. */
	node_manifest_source later = here;
	later.now.seconds++;
	T_OK(node_manifest_read(T_ARENA, sp_str_c(web), &later, &again, T_ERR));
	T_TRUE(sp_str_find(again, uid) >= 0);
	later.path = SP_STR("/manifests/b.yaml");
	T_OK(node_manifest_read(T_ARENA, sp_str_c(web), &later, &other, T_ERR));
	T_TRUE(sp_str_find(other, uid) < 0);
	T_OK(node_manifest_read(T_ARENA, sp_arena_printf(T_ARENA, "%s    command: [x]\n", web), &here, &other,
				T_ERR));
	T_TRUE(sp_str_find(other, uid) < 0);
	/* What the agent makes of it. */
	node_pod *p;
	T_OK(node_pod_parse(json, &p, T_ERR));
	T_EQ_C(p->v.name, "web-node1");
	T_EQ_I64(p->v.grace_s, 30);
	node_pod_free(p);
}

SP_TEST(node_manifest, json_and_own_uid)
{
	sp_str json;
	yyjson_val *tree;
	T_OK(node_manifest_read(T_ARENA,
				SP_STR("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\","
				       "\"namespace\":\"kube-system\",\"uid\":\"mine\"},\"spec\":{"
				       "\"tolerations\":[{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}],"
				       "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
				&here, &json, T_ERR));
	T_OK(sp_json_parse(T_ARENA, json, &tree, T_ERR));
	T_EQ_C(sp_view_str_at(tree, "metadata.uid"), "mine");
	T_EQ_C(sp_view_str_at(tree, "metadata.namespace"), "kube-system");
	T_EQ_C(note(tree, NODE_NOTE_CONFIG_HASH), "mine");
	T_EQ_U64(yyjson_arr_size(sp_view_at(tree, "spec.tolerations")), 1);
}

#define HEAD "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
#define BODY "  containers: [{name: c, image: i}]\n"

SP_TEST(node_manifest, refusals)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "Object 'Kind' is missing in 'null'"},
		{"a: [", "yaml: "},
		{"apiVersion: v1\nkind: Service\n", "invalid pod: kind \"Service\""},
		{"apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n" BODY,
		 "invalid pod: name is needed for the pod"},
		{HEAD "  containers: []\n", "invalid pod: spec.containers: Required value"},
		{HEAD "  serviceAccountName: s\n" BODY, "static pods may not reference serviceaccounts"},
		{HEAD "  imagePullSecrets: [{name: s}]\n" BODY, "static pods may not reference secrets"},
		{HEAD "  volumes: [{name: v, secret: {secretName: s}}]\n" BODY,
		 "static pods may not reference secrets"},
		{HEAD "  volumes: [{name: v, configMap: {name: s}}]\n" BODY,
		 "static pods may not reference configmaps"},
		{HEAD "  containers: [{name: c, image: i, envFrom: [{configMapRef: {name: m}}]}]\n",
		 "static pods may not reference configmaps"},
		{HEAD "  containers: [{name: c, image: i, env: [{name: E, valueFrom: {secretKeyRef: {name: "
		      "m, key: k}}}]}]\n",
		 "static pods may not reference secrets"},
		{HEAD "  volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]\n" BODY,
		 "static pods may not reference persistentvolumeclaims"},
		{HEAD "  volumes: [{name: v, csi: {driver: d}}]\n" BODY,
		 "static pods may not reference csidrivers (via CSI volumes)"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str json = {NULL, 0};
		sp_err err = {0};
		t_row("%zu", i);
		T_TRUE(node_manifest_read(T_ARENA, sp_str_c(rows[i].text), &here, &json, &err) != SP_OK);
		T_TRUE(json.ptr == NULL);
		if (sp_str_find(sp_str_c(err.msg), sp_str_c(rows[i].words)) < 0)
			T_FAIL("%s", err.msg);
	}
}

SP_TEST(node_manifest, mirror)
{
	sp_str json, mirror, merged;
	yyjson_val *tree = read_web(&json), *m;
	T_OK(node_manifest_mirror(T_ARENA, json, SP_STR("node1"), SP_STR("u1"), &mirror, T_ERR));
	T_OK(sp_json_parse(T_ARENA, mirror, &m, T_ERR));
	T_TRUE(sp_str_eq(note(m, NODE_NOTE_CONFIG_MIRROR), note(tree, NODE_NOTE_CONFIG_HASH)));
	yyjson_val *owner = yyjson_arr_get_first(sp_view_at(m, "metadata.ownerReferences"));
	T_EQ_C(sp_view_str_at(owner, "kind"), "Node");
	T_EQ_C(sp_view_str_at(owner, "uid"), "u1");
	T_TRUE(yyjson_get_bool(sp_view_at(owner, "controller")));
	T_OK(node_manifest_with_status(
		T_ARENA, json,
		SP_STR("{\"metadata\":{\"resourceVersion\":\"7\"},\"status\":{\"phase\":\"Running\"}}"),
		&merged, T_ERR));
	T_OK(sp_json_parse(T_ARENA, merged, &m, T_ERR));
	T_EQ_C(sp_view_str_at(m, "status.phase"), "Running");
	T_EQ_C(sp_view_str_at(m, "metadata.resourceVersion"), "7");
	T_TRUE(sp_str_eq(sp_view_str_at(m, "metadata.uid"), sp_view_str_at(tree, "metadata.uid")));
	T_TRUE(note(m, NODE_NOTE_CONFIG_MIRROR).ptr == NULL);
	T_CODE(node_manifest_mirror(T_ARENA, SP_STR("{\"metadata\":{}}"), SP_STR("n"), SP_STR("u"), &mirror,
				    T_ERR),
	       SP_EINVAL);
}
