/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/quota_usage.h"
#include "lib/t.h"

#define NOW_S INT64_C(1767225600) /* 2026-01-01T00:00:00Z */

static yyjson_mut_val *parse(const char *json)
{
	yyjson_mut_val *v = NULL;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	if (doc == NULL || sp_json_parse_mut(T_ARENA, sp_str_c(json), doc, &v, T_ERR) != SP_OK)
		return NULL;
	return v;
}

static sp_quota_ctx ctx(const char *resource, const char *group)
{
	return (sp_quota_ctx){T_ARENA, {sp_str_c(group), sp_str_c(resource)}, NOW_S};
}

/* "name=amount,…" sorted by name. */
static sp_str usage(const sp_quota_ctx *x, const char *json)
{
	sp_amounts list;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	sp_amounts_init(&list, T_ARENA);
	sp_quota_evaluator_of(x->gr)->usage(x, parse(json), &list);
	sp_amounts_sort(&list);
	for (size_t i = 0; i < list.n; i++) {
		sp_str amount = sp_qty_print(T_ARENA, list.items[i].qty);
		(void)sp_buf_printf(&out, "%s" SP_FMT "=" SP_FMT, i == 0 ? "" : ",",
				    SP_ARG(list.items[i].name), SP_ARG(amount));
	}
	return list.failed ? SP_STR("failed") : sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(quota_usage, objects)
{
	static const struct {
		const char *group, *resource, *json, *want;
	} rows[] = {
		{"", "configmaps", "{}", "configmaps=1,count/configmaps=1"},
		{"apps", "deployments", "{}", "count/deployments.apps=1"},
		{"", "services",
		 "{\"spec\":{\"type\":\"LoadBalancer\",\"allocateLoadBalancerNodePorts\":false,\"ports\":[{"
		 "\"port\":1},{\"port\":2,\"nodePort\":30001}]}}",
		 "count/services=1,services=1,services.loadbalancers=1,services.nodeports=1"},
		{"", "services", "{\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":1},{\"port\":2}]}}",
		 "count/services=1,services=1,services.loadbalancers=0,services.nodeports=2"},
		{"", "persistentvolumeclaims",
		 "{\"spec\":{\"storageClassName\":\"gold\",\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}"
		 "},\"status\":{\"allocatedResources\":{\"storage\":\"2Gi\"}}}",
		 "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,"
		 "gold.storageclass.storage.k8s.io/requests.storage=2Gi,persistentvolumeclaims=1,"
		 "requests.storage=2Gi"},
		{"", "pods",
		 "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100m\",\"example.com/"
		 "a\":\"1\",\"hugepages-2Mi\":\"2Mi\"},\"limits\":{\"cpu\":\"1\"}}},{\"resources\":{"
		 "\"requests\":{\"cpu\":\"200m\"}}}]}}",
		 "count/pods=1,cpu=300m,hugepages-2Mi=2Mi,limits.cpu=1,pods=1,requests.cpu=300m,"
		 "requests.example.com/a=1,requests.hugepages-2Mi=2Mi"},
		{"resource.k8s.io", "resourceclaims",
		 "{\"spec\":{\"devices\":{\"requests\":[{\"exactly\":{\"deviceClassName\":\"a\","
		 "\"allocationMode\":\"ExactCount\",\"count\":2}},{\"firstAvailable\":[{\"deviceClassName\":"
		 "\"a\",\"allocationMode\":\"ExactCount\",\"count\":1},{\"deviceClassName\":\"a\","
		 "\"allocationMode\":\"ExactCount\",\"count\":3},{\"deviceClassName\":\"b\","
		 "\"allocationMode\":\"All\"}]}]}}}",
		 "a.deviceclass.resource.k8s.io/devices=5,b.deviceclass.resource.k8s.io/devices=32,"
		 "count/resourceclaims.resource.k8s.io=1"},
		{"", "pods", "{\"status\":{\"phase\":\"Failed\"}}", "count/pods=1"},
		/* Past its end, whatever keeps it; just before. */
		{"", "pods",
		 "{\"metadata\":{\"deletionTimestamp\":\"2025-12-31T23:59:00Z\","
		 "\"deletionGracePeriodSeconds\":30}}",
		 "count/pods=1"},
		{"", "pods",
		 "{\"metadata\":{\"deletionTimestamp\":\"2025-12-31T23:59:00Z\","
		 "\"deletionGracePeriodSeconds\":60}}",
		 "count/pods=1,pods=1"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_quota_ctx x = ctx(rows[i].resource, rows[i].group);
		t_row("%zu", i);
		T_EQ_C(usage(&x, rows[i].json), rows[i].want);
	}
}

SP_TEST(quota_usage, scopes)
{
	static const struct {
		const char *resource, *spec, *object;
		bool want;
	} rows[] = {
		{"pods", "{}", "{}", true},
		{"pods", "{\"scopes\":[\"Terminating\"]}", "{\"spec\":{\"activeDeadlineSeconds\":0}}", true},
		{"pods", "{\"scopes\":[\"Terminating\",\"NotBestEffort\"]}",
		 "{\"spec\":{\"activeDeadlineSeconds\":0}}", false},
		{"configmaps", "{\"scopes\":[\"NotTerminating\"]}", "{}", false},
		{"pods",
		 "{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\",\"operator\":"
		 "\"NotIn\",\"values\":[\"a\"]}]}}",
		 "{}", true},
		{"pods",
		 "{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\",\"operator\":"
		 "\"DoesNotExist\"}]}}",
		 "{\"spec\":{\"priorityClassName\":\"a\"}}", false},
		{"persistentvolumeclaims",
		 "{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"VolumeAttributesClass\","
		 "\"operator\":\"In\",\"values\":[\"gold\"]}]}}",
		 "{\"spec\":{\"volumeAttributesClassName\":\"silver\"},\"status\":{"
		 "\"currentVolumeAttributesClassName\":\"gold\"}}",
		 true},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_quota_ctx x = ctx(rows[i].resource, "");
		sp_str quota = sp_arena_printf(T_ARENA, "{\"spec\":%s}", rows[i].spec);
		t_row("%zu", i);
		T_TRUE(sp_quota_scopes_match(&x, parse(quota.ptr), parse(rows[i].object)) == rows[i].want);
	}
}

SP_TEST(quota_usage, whose_a_name_is)
{
	static const struct {
		const char *name, *resource, *group; /* resource NULL: nobody's */
	} rows[] = {
		{"pods", "pods", ""},
		{"limits.memory", "pods", ""},
		{"requests.example.com/a", "pods", ""},
		{"requests.storage", "persistentvolumeclaims", ""},
		{"x.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims", ""},
		{"services.nodeports", "services", ""},
		{"secrets", "secrets", ""},
		{"count/pods", "pods", ""},
		{"a.deviceclass.resource.k8s.io/devices", "resourceclaims", "resource.k8s.io"},
		{"count/jobs.batch", "jobs", "batch"},
		{"count/boats.example.com", "boats", "example.com"},
		{"count/", NULL, NULL},
		{"other", NULL, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_group_resource gr;
		t_row("%s", rows[i].name);
		T_TRUE(sp_quota_resource_of(sp_str_c(rows[i].name), &gr) == (rows[i].resource != NULL));
		if (rows[i].resource == NULL)
			continue;
		T_EQ_C(gr.resource, rows[i].resource);
		T_EQ_C(gr.group, rows[i].group);
	}
}
