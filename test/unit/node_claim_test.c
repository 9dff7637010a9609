/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of pods and the volumes behind them. */
#include "lib/t.h"
#include "node/claim.h"
#include "node/volumes.h"

static node_pod *make_pod(const char *volume, const char *container)
{
	node_pod *p = NULL;
	sp_str json =
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
				"\"containers\":[{\"name\":\"c\",%s}],\"volumes\":[{\"name\":\"v\",%s}]}}",
				container, volume);
	if (node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

#define MOUNT "\"volumeMounts\":[{\"name\":\"v\"}]"
#define DEVICE "\"volumeDevices\":[{\"name\":\"v\"}]"
#define CLAIM "\"persistentVolumeClaim\":{\"claimName\":\"data\"}"

static yyjson_val *tree_of(const char *text)
{
	yyjson_val *v = NULL;
	(void)!sp_json_parse(T_ARENA, sp_str_c(text), &v, NULL);
	return v;
}

static bool use_of(const node_pod *p, node_claim_use *ret)
{
	return node_claim_use_of(p, yyjson_arr_get_first(sp_view_at(p->tree, "spec.volumes")), T_ARENA, ret);
}

SP_TEST(node_claim, use)
{
	static const struct {
		const char *volume, *container, *want; /* NULL: no claim that is used */
	} rows[] = {
		{CLAIM, MOUNT, "data m"},
		{"\"persistentVolumeClaim\":{\"claimName\":\"data\",\"readOnly\":true}", DEVICE, "data dr"},
		{CLAIM, "\"volumeMounts\":[{\"name\":\"other\"}]", NULL},
		{"\"ephemeral\":{\"volumeClaimTemplate\":{}}", MOUNT, "p-v me"},
		{"\"emptyDir\":{}", MOUNT, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_claim_use use;
		const node_pod *p = make_pod(rows[i].volume, rows[i].container);
		T_TRUE(p != NULL);
		t_row("%s", rows[i].volume);
		T_EQ_I64(use_of(p, &use), rows[i].want != NULL);
		if (rows[i].want == NULL)
			continue;
		sp_str got = sp_arena_printf(T_ARENA, SP_FMT " %s%s%s%s", SP_ARG(use.claim),
					     use.mounted ? "m" : "", use.as_device ? "d" : "",
					     use.read_only ? "r" : "", use.is_ephemeral ? "e" : "");
		T_EQ_C(got, rows[i].want);
	}
}

#define BOUND "\"spec\":{\"volumeName\":\"pv\"},\"status\":{\"phase\":\"Bound\"}"

SP_TEST(node_claim, claim)
{
	static const struct {
		bool is_ephemeral;
		const char *claim, *want; /* NULL: ready */
	} rows[] = {
		{false, "{\"metadata\":{\"uid\":\"c1\"}," BOUND "}", NULL},
		{false, "{\"status\":{\"phase\":\"Pending\"}}",
		 "error processing PVC ns/data: PVC is not bound"},
		{false, "{\"status\":{\"phase\":\"Bound\"}}",
		 "error processing PVC ns/data: PVC has empty pvc.Spec.VolumeName"},
		{false, "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}," BOUND "}",
		 "error processing PVC ns/data: PVC is being deleted"},
		{false,
		 "{\"metadata\":{\"uid\":\"c1\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
		 "\"finalizers\":[\"x\","
		 "\"kubernetes.io/pvc-protection\"]}," BOUND "}",
		 NULL},
		{true, "{\"metadata\":{\"uid\":\"c1\"}," BOUND "}",
		 "PVC ns/p-v was not created for pod ns/p (pod is not owner)"},
		{true,
		 "{\"metadata\":{\"uid\":\"c1\",\"ownerReferences\":[{\"uid\":\"u\"},{\"uid\":\"x\","
		 "\"controller\":true}"
		 "]}," BOUND "}",
		 "PVC ns/p-v was not created for pod ns/p (pod is not owner)"},
		{true,
		 "{\"metadata\":{\"uid\":\"c1\",\"ownerReferences\":[{\"uid\":\"u\",\"controller\":true}]}"
		 "," BOUND "}",
		 NULL},
		{false, "{}", "error processing PVC ns/data: PVC is not bound"},
		{false, "[]", "error processing PVC ns/data: PVC is not bound"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_claim_use use;
		sp_err err = {0};
		sp_str volume = {NULL, 0}, uid = {NULL, 0};
		const node_pod *p = make_pod(rows[i].is_ephemeral ? "\"ephemeral\":{}" : CLAIM, MOUNT);
		T_TRUE(p != NULL && use_of(p, &use));
		t_row("%s", rows[i].claim);
		sp_code code = node_claim_check(p, &use, tree_of(rows[i].claim), &volume, &uid, &err);
		T_EQ_C(sp_str_c(err.msg), rows[i].want == NULL ? "" : rows[i].want);
		T_EQ_I64(code, rows[i].want == NULL ? SP_OK : SP_EUNAVAILABLE);
		if (code == SP_OK) {
			T_EQ_C(volume, "pv");
			T_EQ_C(uid, "c1");
		}
	}
}

#define PV(meta, spec) \
	"{\"metadata\":{\"name\":\"" meta "},\"spec\":{\"claimRef\":{\"uid\":\"c1\"}," spec "}}"
#define OURS                                                                                               \
	"pvc-01234567-89ab-cdef-0123-456789abcdef\",\"annotations\":{\"pv.kubernetes.io/provisioned-by\":" \
	"\"sampan/local-path\"}"

SP_TEST(node_claim, volume)
{
	static const struct {
		const char *container, *volume, *want;
	} rows[] = {
		{MOUNT, PV("pv\"", "\"hostPath\":{\"path\":\"/d\",\"type\":\"File\"}"), "0 /d File"},
		{MOUNT, PV("pv\"", "\"local\":{\"path\":\"/d\"}"), "1 /d "},
		{MOUNT, PV(OURS, "\"hostPath\":{\"path\":\"/d\",\"type\":\"DirectoryOrCreate\"}"),
		 "2 /d DirectoryOrCreate"},
		/* another provisioner's, or a name that no volume of ours has */
		{MOUNT,
		 PV("pv\",\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"sampan/local-path\"}",
		    "\"hostPath\":{\"path\":\"/d\"}"),
		 "0 /d "},
		{MOUNT, PV("pv\"", "\"csi\":{\"driver\":\"x.io\",\"readOnly\":true}"), "3  x.io ro"},
		{MOUNT, PV("pv\"", "\"nfs\":{}"), "4  "},
		{DEVICE, PV("pv\"", "\"volumeMode\":\"Block\",\"local\":{\"path\":\"/d\"}"), "4 /d "},
		{MOUNT, PV("pv\"", "\"volumeMode\":\"Block\",\"local\":{\"path\":\"/d\"}"),
		 "volume v has volumeMode Block, but is specified in volumeMounts"},
		{DEVICE, PV("pv\"", "\"local\":{\"path\":\"/d\"}"),
		 "volume v has volumeMode Filesystem, but is specified in volumeDevices"},
		{MOUNT, "{\"metadata\":{\"name\":\"pv\"},\"spec\":{}}",
		 "found PV object pv but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the "
		 "claim"},
		{MOUNT, "{\"metadata\":{\"name\":\"pv\"},\"spec\":{\"claimRef\":{\"uid\":\"c2\"}}}",
		 "found PV object pv but its pv.Spec.ClaimRef.UID c2 does not point to claim.UID c1"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_claim_use use;
		node_claim_found f;
		sp_err err = {0};
		const node_pod *p = make_pod(CLAIM, rows[i].container);
		T_TRUE(p != NULL && use_of(p, &use));
		t_row("%s", rows[i].volume);
		sp_code code = node_claim_volume(&use, SP_STR("c1"), tree_of(rows[i].volume), &f, &err);
		sp_str got = code != SP_OK ? sp_str_c(err.msg)
					   : sp_arena_printf(T_ARENA, "%d " SP_FMT " " SP_FMT SP_FMT "%s",
							     (int)f.kind, SP_ARG(f.path), SP_ARG(f.type),
							     SP_ARG(f.driver), f.read_only ? " ro" : "");
		T_EQ_C(got, rows[i].want);
	}
}
