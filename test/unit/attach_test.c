/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching volumes: their names, what is remembered, what is decided; all without a server. */
#include <string.h>

#include "base/json.h"
#include "controllers/attach_int.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

static yyjson_val *parse(const char *json)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, sp_str_c(json), &v, T_ERR) == SP_OK ? v : NULL;
}

SP_TEST(attach, names_of_volumes)
{
	static const struct {
		const char *spec, *labels, *name; /* name NULL: nothing that is attached */
		bool is_shared;
	} rows[] = {
		{"\"csi\":{\"driver\":\"d\",\"volumeHandle\":\"h\"},\"accessModes\":[\"ReadWriteOnce\"]", "",
		 "kubernetes.io/csi/d^h", false},
		{"\"csi\":{\"driver\":\"d\",\"volumeHandle\":\"h\"}", "", "kubernetes.io/csi/d^h", true},
		{"\"csi\":{\"driver\":\"d\",\"volumeHandle\":\"h\"},\"accessModes\":[\"ReadWriteOnce\","
		 "\"ReadOnlyMany\"]",
		 "", "kubernetes.io/csi/d^h", true},
		{"\"hostPath\":{\"path\":\"/x\"}", "", NULL, false},
		{"\"awsElasticBlockStore\":{\"volumeID\":\"aws://us-a/vol-1\"}", "",
		 "kubernetes.io/csi/ebs.csi.aws.com^vol-1", true},
		{"\"awsElasticBlockStore\":{\"volumeID\":\"aws:///vol-1\"}", "",
		 "kubernetes.io/csi/ebs.csi.aws.com^vol-1", true},
		{"\"awsElasticBlockStore\":{\"volumeID\":\"vol-2\"}", "",
		 "kubernetes.io/csi/ebs.csi.aws.com^vol-2", true},
		{"\"awsElasticBlockStore\":{\"volumeID\":\"aws://us-a/x\"}", "", NULL, false},
		{"\"awsElasticBlockStore\":{\"volumeID\":\"aws://vol-1\"}", "", NULL, false},
		{"\"gcePersistentDisk\":{\"pdName\":\"p\"}", "",
		 "kubernetes.io/csi/pd.csi.storage.gke.io^projects/UNSPECIFIED/zones/UNSPECIFIED/disks/p",
		 true},
		{"\"gcePersistentDisk\":{\"pdName\":\"p\"}", "\"topology.kubernetes.io/zone\":\"eu-west1-b\"",
		 "kubernetes.io/csi/pd.csi.storage.gke.io^projects/UNSPECIFIED/zones/eu-west1-b/disks/p",
		 true},
		{"\"gcePersistentDisk\":{\"pdName\":\"p\"}",
		 "\"failure-domain.beta.kubernetes.io/zone\":\"eu-west1-b__eu-west1-c\"",
		 "kubernetes.io/csi/pd.csi.storage.gke.io^projects/UNSPECIFIED/regions/eu-west1/disks/p",
		 true},
		{"\"gcePersistentDisk\":{\"pdName\":\"p\"}", "\"topology.kubernetes.io/zone\":\"a__b\"", NULL,
		 false},
		{"\"cinder\":{\"volumeID\":\"c\"}", "", "kubernetes.io/csi/cinder.csi.openstack.org^c", true},
		{"\"azureDisk\":{\"diskName\":\"n\",\"diskURI\":\"/u\"}", "",
		 "kubernetes.io/csi/disk.csi.azure.com^/u", true},
		{"\"vsphereVolume\":{\"volumePath\":\"[d] v\"}", "",
		 "kubernetes.io/csi/csi.vsphere.vmware.com^[d] v", true},
		{"\"portworxVolume\":{\"volumeID\":\"x\"}", "", "kubernetes.io/csi/pxd.portworx.com^x", true},
		{"\"iscsi\":{\"targetPortal\":\"10.0.0.1:3260\",\"iqn\":\"iqn.x\",\"lun\":3}", "",
		 "kubernetes.io/iscsi/10.0.0.1:3260:iqn.x:3", true},
		{"\"fc\":{\"targetWWNs\":[\"a\",\"b\"],\"lun\":0}", "", "kubernetes.io/fc/[a b]:0", true},
		{"\"fc\":{\"wwids\":[\"w\"]}", "", "kubernetes.io/fc/[w]", true},
		{"\"fc\":{\"targetWWNs\":[\"a\"]}", "", NULL, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		vol_name n;
		yyjson_val *pv =
			parse(sp_arena_printf(T_ARENA, "{\"metadata\":{\"labels\":{%s}},\"spec\":{%s}}",
					      rows[i].labels, rows[i].spec)
				      .ptr);
		T_TRUE(pv != NULL);
		T_TRUE(vol_name_of_pv(pv, &n) == (rows[i].name != NULL));
		if (rows[i].name == NULL)
			continue;
		T_EQ_C(vol_name_unique(T_ARENA, &n), rows[i].name);
		T_TRUE(n.is_shared == rows[i].is_shared);
	}
}

SP_TEST(attach, more_names_than_fit)
{
	vol_name n;
	SP_AUTO_BUF json;
	sp_buf_init(&json, 4096);
	(void)sp_buf_str(&json, SP_STR("{\"spec\":{\"fc\":{\"wwids\":[\"a\""));
	for (size_t i = 0; i < VOL_NAME_PARTS; i++)
		(void)sp_buf_str(&json, SP_STR(",\"b\""));
	(void)sp_buf_str(&json, SP_STR("]}}}"));
	T_OK(sp_buf_code(&json));
	yyjson_val *pv = parse(sp_arena_printf(T_ARENA, SP_FMT, SP_ARG(sp_buf_view(&json))).ptr);
	T_TRUE(pv != NULL);
	T_TRUE(!vol_name_of_pv(pv, &n));
}

SP_TEST(attach, volumes_of_pods_as_their_drivers)
{
	static const struct {
		const char *volume, *title, *json;
	} rows[] = {
		{"\"awsElasticBlockStore\":{\"volumeID\":\"vol-1\",\"fsType\":\"ext4\",\"readOnly\":true}",
		 "ebs.csi.aws.com-vol-1",
		 "\"inlineVolumeSpec\":{\"accessModes\":[\"ReadWriteOnce\"],\"csi\":{\"driver\":"
		 "\"ebs.csi.aws.com\",\"volumeHandle\":\"vol-1\",\"readOnly\":true,\"fsType\":\"ext4\","
		 "\"volumeAttributes\":{\"partition\":\"0\"}},\"volumeMode\":\"Filesystem\"}"},
		{"\"gcePersistentDisk\":{\"pdName\":\"p\",\"readOnly\":true}", "pd.csi.storage.gke.io-p",
		 "\"inlineVolumeSpec\":{\"accessModes\":[\"ReadOnlyMany\"],\"csi\":{\"driver\":"
		 "\"pd.csi.storage.gke.io\",\"volumeHandle\":\"projects/UNSPECIFIED/zones/UNSPECIFIED/disks/"
		 "p\",\"readOnly\":true,\"volumeAttributes\":{\"partition\":\"\"}},\"volumeMode\":"
		 "\"Filesystem\"}"},
		{"\"azureDisk\":{\"diskName\":\"n\",\"diskURI\":\"/u\",\"cachingMode\":\"None\"}", "/u",
		 "\"inlineVolumeSpec\":{\"accessModes\":[\"ReadWriteOnce\"],\"csi\":{\"driver\":"
		 "\"disk.csi.azure.com\",\"volumeHandle\":\"/u\",\"volumeAttributes\":{\"cachingmode\":"
		 "\"None\",\"kind\":\"Managed\"}},\"volumeMode\":\"Filesystem\"}"},
		{"\"portworxVolume\":{\"volumeID\":\"x\",\"readOnly\":true}", "pxd.portworx.com-x",
		 "\"inlineVolumeSpec\":{\"accessModes\":[\"ReadOnlyMany\"],\"csi\":{\"driver\":"
		 "\"pxd.portworx.com\",\"volumeHandle\":\"x\"},\"volumeMode\":\"Filesystem\"}"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		vol_name n;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		yyjson_val *v = parse(sp_arena_printf(T_ARENA, "{\"name\":\"v\",%s}", rows[i].volume).ptr);
		T_TRUE(v != NULL && vol_name_of_inline(v, &n));
		T_EQ_C(vol_name_inline_title(T_ARENA, &n, v), rows[i].title);
		sp_jout j = sp_jout_to(&out);
		vol_name_write_inline(&j, T_ARENA, &n);
		T_OK(sp_buf_code(&out));
		T_EQ_C(sp_buf_view(&out), rows[i].json);
	}
	vol_name n;
	yyjson_val *v = parse("{\"name\":\"v\",\"csi\":{\"driver\":\"d\"}}"); /* of the pod's own life */
	T_TRUE(v != NULL && !vol_name_of_inline(v, &n));
	v = parse("{\"name\":\"v\",\"iscsi\":{\"targetPortal\":\"p\",\"iqn\":\"q\",\"lun\":0}}");
	T_TRUE(v != NULL && vol_name_of_inline(v, &n));
	T_EQ_C(vol_name_inline_title(T_ARENA, &n, v), "v");
}

static void memory_done(void *m)
{
	att_memory_done(m);
}

/* NULL: none. */
static att_memory *open_memory(void)
{
	att_memory *m = sp_new(T_ARENA, att_memory, 1);
	T_DEFER(memory_done, m);
	return att_memory_init(m, T_ERR) == SP_OK ? m : NULL;
}

SP_TEST(attach, places_come_and_go)
{
	att_memory *m = open_memory();
	T_TRUE(m != NULL);
	att_place *p = att_place_get(m, SP_STR("kubernetes.io/csi/d^h"), SP_STR("n1"));
	T_TRUE(p != NULL);
	/* printf hdn1 | sha256sum */
	T_EQ_C(sp_str_c(p->attachment),
	       "csi-8e3bb36fda804646cae96ea9b03b4b77d9b692e45ea0ddda23cccc30a6b1c3fe");
	T_TRUE(att_place_get(m, SP_STR("kubernetes.io/csi/d^h"), SP_STR("n1")) == p);
	T_TRUE(att_place_of_attachment(m, sp_str_c(p->attachment)) == p);
	att_place *q = att_place_get(m, SP_STR("kubernetes.io/csi/d^h"), SP_STR("n2"));
	att_place *r = att_place_get(m, SP_STR("kubernetes.io/iscsi/p:q:0"), SP_STR("n1"));
	T_TRUE(q != NULL && r != NULL && q != p && r->attachment[0] == '\0');
	T_TRUE(q->volume == p->volume && r->node == p->node);
	r->node->is_writing = true; /* it outlives its places */
	att_place_drop(m, p);
	att_place_drop(m, r);
	T_TRUE(att_volume_find(m, SP_STR("kubernetes.io/iscsi/p:q:0")) == NULL);
	att_node *n = att_node_find(m, SP_STR("n1"));
	T_TRUE(n != NULL);
	att_node_written(m, n);
	T_TRUE(att_node_find(m, SP_STR("n1")) == NULL);
	T_TRUE(att_volume_find(m, SP_STR("kubernetes.io/csi/d^h")) == q->volume);
}

/* ---- decisions ---- */

/* NULL: no memory. */
static att_place *open_place(void)
{
	att_memory *m = open_memory();
	return m == NULL ? NULL : att_place_get(m, SP_STR("kubernetes.io/csi/d^h"), SP_STR("n1"));
}

SP_TEST(attach, what_comes_of_attaching)
{
	static const struct {
		att_facts f;
		bool seen;
		att_news news;
	} rows[] = {
		{{.now_ns = 1}, false, ATT_NO_NEWS}, /* not in the cache yet */
		{{.now_ns = 1}, true, ATT_LOST},
		{{.now_ns = 1, .has_attachment = true}, false, ATT_NO_NEWS},
		{{.now_ns = 1, .has_attachment = true, .is_attached = true}, false, ATT_ATTACHED},
		{{.now_ns = 1, .has_attachment = true, .is_attached = true, .is_going = true},
		 false,
		 ATT_ATTACH_FAILED},
		{{.now_ns = 1, .has_attachment = true, .attach_failed = true}, false, ATT_ATTACH_FAILED},
		{{.now_ns = ATT_OP_NS, .has_attachment = true}, false, ATT_ATTACH_LATE},
		{{.now_ns = ATT_OP_NS}, false, ATT_ATTACH_LATE},
	};
	att_place *p = open_place();
	T_TRUE(p != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		p->looked_at = true;
		p->op = ATT_ATTACHING;
		p->op_since_ns = 0;
		p->op_seen = rows[i].seen;
		p->is_sure = false;
		T_TRUE(att_settle(p, &rows[i].f) == rows[i].news);
		T_TRUE(p->is_sure == (rows[i].news == ATT_ATTACHED));
		T_TRUE((p->op == ATT_IDLE) == (rows[i].news != ATT_NO_NEWS));
	}
}

SP_TEST(attach, what_comes_of_detaching)
{
	static const struct {
		att_facts f;
		att_news news;
	} rows[] = {
		{{.now_ns = 1, .has_attachment = true, .is_attached = true}, ATT_NO_NEWS},
		{{.now_ns = 1}, ATT_DETACHED},
		{{.now_ns = 1, .has_attachment = true, .detach_failed = true}, ATT_DETACH_FAILED},
		{{.now_ns = ATT_OP_NS, .has_attachment = true}, ATT_DETACH_FAILED},
	};
	att_place *p = open_place();
	T_TRUE(p != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		p->looked_at = p->is_sure = p->is_pulled = true;
		p->op = ATT_DETACHING;
		p->op_since_ns = 0;
		T_TRUE(att_settle(p, &rows[i].f) == rows[i].news);
		T_TRUE(p->is_sure == (rows[i].news == ATT_NO_NEWS));
		T_TRUE(p->is_pulled == (rows[i].news != ATT_DETACHED));
	}
}

SP_TEST(attach, what_was_there_before)
{
	att_place *p = open_place();
	T_TRUE(p != NULL);
	T_TRUE(p->is_in_use); /* until the node is heard of */
	att_facts f = {.has_attachment = true, .is_attached = true, .is_listed = true, .now_ns = 1};
	T_TRUE(att_settle(p, &f) == ATT_NO_NEWS);
	T_TRUE(p->is_sure && p->is_in_use);
	f = (att_facts){.has_node = true, .is_listed = true, .now_ns = 2};
	T_TRUE(att_settle(p, &f) == ATT_LOST); /* somebody took it away */
	T_TRUE(!p->is_sure && !p->is_in_use);
}

/* Rows of unwanted_for 0: it is the first look. */
SP_TEST(attach, when_it_is_detached)
{
	static const struct {
		const char *what;
		att_facts f;
		uint64_t unwanted_for;
		bool in_use;
		att_step step;
		uint64_t again;
	} rows[] = {
		{"nothing is there", {.has_node = true}, 0, false, ATT_REST, 0},
		{"it is in the node's status",
		 {.has_node = true, .has_attachment = true, .is_listed = true},
		 0,
		 false,
		 ATT_PULL,
		 0},
		{"it is not", {.has_node = true, .has_attachment = true}, 0, false, ATT_DETACH, 0},
		{"it is in use",
		 {.has_node = true, .has_attachment = true},
		 0,
		 true,
		 ATT_REST,
		 ATT_UNMOUNT_NS + 1},
		{"the node is out of service",
		 {.has_node = true, .has_attachment = true, .node_is_out = true},
		 0,
		 true,
		 ATT_DETACH_FORCE,
		 0},
		{"six minutes on a node that is well",
		 {.has_node = true, .has_attachment = true, .node_is_ready = true},
		 ATT_UNMOUNT_NS + 1,
		 true,
		 ATT_REST,
		 0},
		{"six minutes on a node that is not",
		 {.has_node = true, .has_attachment = true},
		 ATT_UNMOUNT_NS + 1,
		 true,
		 ATT_DETACH_FORCE,
		 0},
		{"not one more", {.has_attachment = true}, ATT_UNMOUNT_NS, true, ATT_REST, 1},
		{"the node is gone", {.has_attachment = true}, ATT_UNMOUNT_NS + 1, true, ATT_DETACH_FORCE, 0},
		{"force is off",
		 {.has_attachment = true, .never_force = true},
		 ATT_UNMOUNT_NS + 1,
		 true,
		 ATT_REST,
		 0},
		{"force is off, it is not in use",
		 {.has_attachment = true, .never_force = true},
		 ATT_UNMOUNT_NS + 1,
		 false,
		 ATT_DETACH,
		 0},
	};
	att_place *p = open_place();
	T_TRUE(p != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint64_t again = 0;
		att_facts f = rows[i].f;
		f.now_ns = 1000 * SECOND;
		p->unwanted_since_ns = rows[i].unwanted_for == 0 ? 0 : f.now_ns - rows[i].unwanted_for;
		p->is_in_use = rows[i].in_use;
		if (att_decide_detach(p, &p->pause, &f, &again) != rows[i].step || again != rows[i].again)
			T_FAIL("%s: again %llu", rows[i].what, (unsigned long long)again);
	}
	uint64_t again = 0;
	att_facts f = {.has_attachment = true, .now_ns = SECOND};
	p->is_in_use = false;
	p->node->is_writing = true;
	T_TRUE(att_decide_detach(p, &p->pause, &f, &again) == ATT_REST);
	T_EQ_U64(again, 0);
}

SP_TEST(attach, pauses_grow)
{
	att_pause pause = {.for_ns = 0};
	uint64_t now = 5 * SECOND, again = 0;
	T_EQ_U64(att_pause_left_ns(&pause, false, now), 0);
	att_pause_fail(&pause, false, now);
	T_EQ_U64(att_pause_left_ns(&pause, false, now), SECOND / 2 + 1);
	T_EQ_U64(att_pause_left_ns(&pause, true, now), 0); /* the other way is free */
	T_EQ_U64(att_pause_left_ns(&pause, false, now + SECOND / 2 + 1), 0);
	for (unsigned i = 0; i < 20; i++)
		att_pause_fail(&pause, false, now);
	T_EQ_U64(pause.for_ns, 122 * SECOND);
	att_pause_fail(&pause, true, now); /* and begins anew */
	T_EQ_U64(pause.for_ns, SECOND / 2);
	att_place *p = open_place();
	T_TRUE(p != NULL);
	att_facts f = {.now_ns = now, .is_wanted = true};
	T_TRUE(att_may_attach(p, &pause, &f, false, &again));
	T_TRUE(!att_may_attach(p, &pause, &f, true, &again));
	att_pause_fail(&pause, false, now);
	T_TRUE(!att_may_attach(p, &pause, &f, false, &again));
	T_EQ_U64(again, SECOND / 2 + 1);
	p->is_sure = true;
	p->unwanted_since_ns = 7;
	T_TRUE(!att_may_attach(p, &(att_pause){0}, &f, false, &again));
	T_EQ_U64(p->unwanted_since_ns, 0);
}
