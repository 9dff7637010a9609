/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/view.h"
#include "lib/t.h"

typedef struct pod_view {
	sp_str name, node, phase, cpu;
	int64_t grace_s, priority64;
	int32_t priority;
	bool host_network, has_grace_s, has_priority;
	sp_time created;
	sp_vlist containers, finalizers;
	sp_vmap labels;
	yyjson_val *affinity;
} pod_view;
SP_VIEW(pod_view_desc, pod_view, "v1/Pod", SP_V(pod_view, name, "metadata.name"),
	SP_V(pod_view, created, "metadata.creationTimestamp"), SP_V(pod_view, labels, "metadata.labels"),
	SP_V(pod_view, finalizers, "metadata.finalizers"), SP_V(pod_view, containers, "spec.containers"),
	SP_VH(pod_view, grace_s, "spec.terminationGracePeriodSeconds"), SP_V(pod_view, node, "spec.nodeName"),
	SP_V(pod_view, host_network, "spec.hostNetwork"), SP_V(pod_view, affinity, "spec.affinity"),
	SP_VH(pod_view, priority, "spec.priority"), SP_V(pod_view, priority64, "spec.priority"),
	SP_V(pod_view, phase, "status.phase"));

typedef struct container_view {
	sp_str name, image;
	bool tty;
} container_view;
SP_VIEW(container_view_desc, container_view, "io.k8s.api.core.v1.Container",
	SP_V(container_view, name, "name"), SP_V(container_view, image, "image"),
	SP_V(container_view, tty, "tty"));

static const char pod[] =
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2024-"
	"01-02T03:04:05Z\","
	"\"labels\":{\"app\":\"a\",\"x\":\"y\"},\"finalizers\":[\"f1\",\"f2\"]},\"spec\":{\"containers\":[{"
	"\"name\":\"c1\",\"image\":"
	"\"i1\",\"resources\":{\"limits\":{\"cpu\":\"1\"}}},{\"name\":\"c2\",\"image\":\"i2\",\"tty\":true}],"
	"\"terminationGracePeriodSeconds\":0,\"nodeName\":\"n\",\"hostNetwork\":true,\"affinity\":{},"
	"\"priority\":-5},"
	"\"status\":{\"phase\":\"Running\"}}";

SP_TEST(view, of_a_pod)
{
	pod_view v;
	T_OK(sp_view(T_ARENA, sp_str_c(pod), &pod_view_desc, &v, T_ERR));
	T_EQ_C(v.name, "p");
	T_EQ_C(v.node, "n");
	T_EQ_C(v.phase, "Running");
	T_TRUE(v.host_network && v.has_grace_s && v.grace_s == 0 && v.has_priority && v.priority == -5 &&
	       v.priority64 == -5 && v.affinity != NULL);
	T_EQ_I64(v.created.seconds, 1704164645);
	T_EQ_C(sp_vmap_str(v.labels, SP_STR("x")), "y");
	T_EQ_C(sp_vmap_str(v.labels, SP_STR("z")), "");
	T_EQ_U64(sp_vmap_count(v.labels), 2);
	T_EQ_U64(v.finalizers.n, 2);
	size_t n = 0;
	SP_VLIST_FOREACH(item, v.containers)
	{
		container_view c;
		sp_view_fill(item, &container_view_desc, &c);
		T_EQ_C(c.name, n == 0 ? "c1" : "c2");
		T_TRUE(c.tty == (n == 1));
		n++;
	}
	T_EQ_U64(n, 2);
}

SP_TEST(view, absent_and_of_another_type)
{
	pod_view v;
	T_OK(sp_view(T_ARENA,
		     SP_STR("{\"metadata\":null,\"spec\":{\"nodeName\":5,\"priority\":3000000000,"
			    "\"containers\":{},\"hostNetwork\":\"x\",\"affinity\":null}}"),
		     &pod_view_desc, &v, T_ERR));
	T_TRUE(v.name.ptr == NULL && v.node.ptr == NULL && !v.has_priority && v.priority == 0 &&
	       v.priority64 == 3000000000 && v.containers.n == 0 && !v.host_network && v.affinity == NULL &&
	       !v.has_grace_s && v.labels.object == NULL && sp_vmap_count(v.labels) == 0);
	SP_VLIST_FOREACH(item, v.containers)
	T_FAIL("an item %p", (void *)item);
	T_OK(sp_view(T_ARENA, SP_STR("[]"), &pod_view_desc, &v, T_ERR));
	T_CODE(sp_view(T_ARENA, SP_STR("{"), &pod_view_desc, &v, NULL), SP_EINVAL);
}

SP_TEST(view, of_order_it_does_not_matter)
{
	pod_view v;
	T_OK(sp_view(T_ARENA,
		     SP_STR("{\"status\":{\"phase\":\"x\"},\"spec\":{\"priority\":1,\"nodeName\":\"n\"},"
			    "\"metadata\":{\"labels\":{},\"name\":\"a\"}}"),
		     &pod_view_desc, &v, T_ERR));
	T_EQ_C(v.name, "a");
	T_EQ_C(v.node, "n");
	T_EQ_C(v.phase, "x");
	T_EQ_I64(v.priority, 1);
}

SP_TEST(view, views_match_schema)
{
	size_t n;
	const sp_view_desc *const *all = sp_view_all(&n);
	T_TRUE(n >= 2);
	for (size_t i = 0; i < n; i++) {
		t_row("%s", all[i]->name);
		T_OK(sp_view_check(all[i], T_ERR));
	}
}

SP_TEST(view, a_wrong_view_is_told)
{
	static const sp_view_field nope = {"spec.nope", 0, 0, SP_VIEW_STR};
	static const sp_view_field network = {"spec.hostNetwork", 0, 0, SP_VIEW_STR};
	static const sp_view_field deep = {"spec.nodeName.x", 0, 0, SP_VIEW_STR};
	static const struct {
		sp_view_desc d;
		const char *message;
	} rows[] = {
		{{"a", "v1/Nope", NULL, 0, 0}, "a: no schema 'v1/Nope'"},
		{{"b", "v1/Pod", &nope, 1, 0}, "b: 'v1/Pod' has no field 'spec.nope' ('nope')"},
		{{"c", "v1/Pod", &network, 1, 0}, "c: field 'spec.hostNetwork' of 'v1/Pod' has another type"},
		{{"d", "v1/Pod", &deep, 1, 0}, "d: 'v1/Pod' has no field 'spec.nodeName.x' ('x')"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		T_CODE(sp_view_check(&rows[i].d, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
}

SP_TEST(view, by_path)
{
	yyjson_val *v;
	T_OK(sp_json_parse(T_ARENA, sp_str_c(pod), &v, T_ERR));
	T_EQ_C(sp_view_str_at(v, "spec.containers[1].name"), "c2");
	T_EQ_C(sp_view_str_at(v, "metadata.finalizers[0]"), "f1");
	T_EQ_C(sp_view_str_at(v, "metadata.labels.app"), "a");
	T_TRUE(sp_view_at(v, "spec.containers[2]") == NULL && sp_view_at(v, "spec.x.y") == NULL &&
	       sp_view_at(v, "spec.containers[x]") == NULL && sp_view_at(v, "spec[") == NULL &&
	       sp_view_at(v, "") == v);
}
