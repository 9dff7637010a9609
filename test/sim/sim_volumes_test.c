/* SPDX-License-Identifier: Apache-2.0 */
/* Claims and volumes against the API server, in the simulator. */
#include "controllers/volumes.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST                                                                           \
	"persistentvolume-binder-controller,local-path-provisioner,"                   \
	"persistentvolumeclaim-protection-controller,ephemeral-volume-controller,"     \
	"persistentvolume-protection-controller,persistentvolume-expander-controller," \
	"volumeattributesclass-protection-controller"
#define PVC(name) SP_PERSISTENTVOLUMECLAIMS, "default", name
#define PV(name) SP_PERSISTENTVOLUMES, "", name
#define N_CLAIMS 8u
#define N_VOLUMES 6u

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static t_ctl *open_calm(void)
{
	return open_rig(&(sp_sim_opts){.seed = t_random()});
}

static const char *volume_json(const char *name, const char *size, const char *more)
{
	return sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"capacity\":{\"storage\":\"%s\"},"
			       "\"accessModes\":[\"ReadWriteOnce\"],\"hostPath\":{\"path\":\"/tmp/x\"}%s}}",
			       name, size, more)
		.ptr;
}

static bool make_volume(t_ctl *t, const char *name, const char *size, const char *more)
{
	return t_ctl_create(t, SP_PERSISTENTVOLUMES, "", volume_json(name, size, more));
}

static const char *claim_json(const char *name, const char *size, const char *more)
{
	return sp_arena_printf(
		       T_ARENA,
		       "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
		       "\"resources\":{\"requests\":{\"storage\":\"%s\"}}%s}}",
		       name, size, more)
		.ptr;
}

static bool make_claim(t_ctl *t, const char *name, const char *size, const char *more)
{
	return t_ctl_create(t, SP_PERSISTENTVOLUMECLAIMS, "default", claim_json(name, size, more));
}

static bool make_class(t_ctl *t, const char *name, const char *provisioner, const char *more)
{
	char body[1000];
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\"},\"provisioner\":\"%s\"%s}", name,
		       provisioner, more);
	return t_ctl_create(t, SP_STORAGECLASSES, "", body);
}

/* An event about something of that reason; its message has that in it. */
static bool has_event(t_ctl *t, const char *name, const char *reason, const char *part)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "involvedObject.name"), sp_str_c(name)) &&
		    sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_find(t_ctl_text(v, "message"), sp_str_c(part)) >= 0)
			return true;
	}
	return false;
}

static sp_str note(yyjson_val *object, const char *key)
{
	return sp_json_str(sp_json_last(sp_view_at(object, "metadata.annotations"), sp_str_c(key)));
}

SP_TEST(sim_volumes, the_smallest_that_suits)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_volume(t, "small", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_volume(t, "large", "10Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_volume(t, "middle", "5Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_volume(t, "other", "3Gi", ",\"storageClassName\":\"x\""));
	T_TRUE(t_ctl_wait(t, PV("other"), "status.phase", "Available"));
	T_TRUE(t_ctl_wait(t, PV("middle"), "status.phase", "Available"));
	T_TRUE(make_claim(t, "c", "2Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Bound"));
	yyjson_val *c = t_ctl_get(t, PVC("c"));
	T_EQ_C(t_ctl_text(c, "spec.volumeName"), "middle");
	T_EQ_C(t_ctl_text(c, "status.capacity.storage"), "5Gi");
	T_EQ_C(t_ctl_text(c, "status.accessModes[0]"), "ReadWriteOnce");
	T_EQ_C(note(c, "pv.kubernetes.io/bind-completed"), "yes");
	T_EQ_C(note(c, "pv.kubernetes.io/bound-by-controller"), "yes");
	T_EQ_C(t_ctl_text(c, "metadata.finalizers[0]"), "kubernetes.io/pvc-protection");
	yyjson_val *v = t_ctl_get(t, PV("middle"));
	T_EQ_C(t_ctl_text(v, "status.phase"), "Bound");
	T_EQ_C(t_ctl_text(v, "spec.claimRef.kind"), "PersistentVolumeClaim");
	T_EQ_STR(t_ctl_text(v, "spec.claimRef.uid"), t_ctl_text(c, "metadata.uid"));
	T_EQ_C(note(v, "pv.kubernetes.io/bound-by-controller"), "yes");
	T_EQ_C(t_ctl_text(v, "metadata.finalizers[0]"), "kubernetes.io/pv-protection");
}

SP_TEST(sim_volumes, waits_until_one_appears)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_claim(t, "c", "2Gi", ",\"storageClassName\":\"\""));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, PVC("c")), "status.phase"), "Pending");
	T_TRUE(has_event(t, "c", "FailedBinding",
			 "no persistent volumes available for this claim and no storage class is set"));
	T_TRUE(make_volume(t, "v", "2Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("c"), "spec.volumeName", "v"));
	/* A class that is not there yet, whose provisioner is somebody else's. */
	T_TRUE(make_claim(t, "d", "1Gi", ",\"storageClassName\":\"later\""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "d", "ProvisioningFailed", "storageclass.storage.k8s.io \"later\" not found"));
	T_TRUE(make_class(t, "later", "example.com/p", ""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "d", "ExternalProvisioning",
			 "Waiting for a volume to be created either by the external provisioner "
			 "'example.com/p'"));
	T_EQ_C(note(t_ctl_get(t, PVC("d")), "volume.kubernetes.io/storage-provisioner"), "example.com/p");
}

SP_TEST(sim_volumes, names_and_reservations)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_volume(
		t, "v", "5Gi",
		",\"storageClassName\":\"\",\"claimRef\":{\"namespace\":\"default\",\"name\":\"mine\"}"));
	T_TRUE(t_ctl_wait(t, PV("v"), "status.phase", "Available"));
	T_TRUE(make_claim(t, "thief", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_claim(t, "named", "1Gi", ",\"storageClassName\":\"\",\"volumeName\":\"v\""));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, PVC("thief")), "status.phase"), "Pending");
	T_EQ_C(t_ctl_text(t_ctl_get(t, PVC("named")), "status.phase"), "Pending");
	T_TRUE(has_event(t, "named", "FailedBinding", "volume \"v\" already bound to a different claim."));
	T_TRUE(make_claim(t, "mine", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("mine"), "status.phase", "Bound"));
	T_EQ_C(note(t_ctl_get(t, PV("v")), "pv.kubernetes.io/bound-by-controller"), "");
	/* By name, too large; nobody else wants it. */
	T_TRUE(t_ctl_delete(t, PVC("thief"), ""));
	T_TRUE(t_ctl_wait_gone(t, PVC("thief")));
	T_TRUE(make_volume(t, "w", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_claim(t, "big", "9Gi", ",\"storageClassName\":\"\",\"volumeName\":\"w\""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "big", "VolumeMismatch",
			 "Cannot bind to requested volume \"w\": requested PV is too small"));
}

SP_TEST(sim_volumes, lost_and_given_back)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_volume(t, "keep", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Bound"));
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	T_TRUE(t_ctl_wait_gone(t, PVC("c")));
	T_TRUE(t_ctl_wait(t, PV("keep"), "status.phase", "Released"));
	/* Another claim of that name is another claim. */
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"\""));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, PVC("c")), "status.phase"), "Pending");
	/* An administrator takes the reference off. */
	T_TRUE(t_ctl_patch(t, PV("keep"), "", "{\"spec\":{\"claimRef\":null}}"));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Bound"));
	T_TRUE(t_ctl_patch(t, PV("keep"), "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_delete(t, PV("keep"), ""));
	t_ctl_run(t, 2 * SECOND);
	if (t_ctl_get(t, PV("keep")) != NULL) /* the protection was quicker */
		T_TRUE(t_ctl_patch(t, PV("keep"), "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Lost"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_event(t, "c", "ClaimLost",
			 "Bound claim has lost its PersistentVolume. Data on the volume is lost!"));
	/* What nobody can delete has failed. */
	T_TRUE(make_volume(t, "del", "3Gi",
			   ",\"storageClassName\":\"\",\"persistentVolumeReclaimPolicy\":\"Delete\""));
	T_TRUE(make_claim(t, "e", "3Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("e"), "status.phase", "Bound"));
	T_TRUE(t_ctl_delete(t, PVC("e"), ""));
	T_TRUE(t_ctl_wait(t, PV("del"), "status.phase", "Failed"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_event(t, "del", "VolumeFailedDelete", "no deletable volume plugin matched"));
}

SP_TEST(sim_volumes, selectors_modes_and_default_class)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_volume(t, "raw", "1Gi", ",\"storageClassName\":\"\",\"volumeMode\":\"Block\""));
	T_TRUE(make_volume(t, "plain", "2Gi", ",\"storageClassName\":\"\""));
	T_TRUE(make_volume(t, "red", "4Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_patch(t, PV("red"), "", "{\"metadata\":{\"labels\":{\"color\":\"red\"}}}"));
	T_TRUE(make_claim(t, "wants-red", "1Gi",
			  ",\"storageClassName\":\"\",\"selector\":{\"matchLabels\":{\"color\":\"red\"}}"));
	T_TRUE(t_ctl_wait(t, PVC("wants-red"), "spec.volumeName", "red"));
	T_TRUE(make_claim(t, "files", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("files"), "spec.volumeName", "plain"));
	/* Without a class, before there is a default one. */
	T_TRUE(make_claim(t, "none", "1Gi", ""));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(make_class(t, "std", "example.com/p", ""));
	T_TRUE(t_ctl_patch(t, SP_STORAGECLASSES, "", "std", "",
			   "{\"metadata\":{\"annotations\":{\"storageclass.kubernetes.io/"
			   "is-default-class\":\"true\"}}}"));
	T_TRUE(t_ctl_wait(t, PVC("none"), "spec.storageClassName", "std"));
}

/* ---- directories of nodes ---- */

#define LOCAL_CLASS ",\"volumeBindingMode\":\"WaitForFirstConsumer\",\"reclaimPolicy\":\"Delete\""
#define LOCAL_PROVISIONER "sampan/local-path"

static void open_node(t_ctl *t, const char *notes)
{
	char body[500];
	(void)snprintf(body, sizeof body,
		       "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"kubernetes.io/hostname\":\"host1\"},"
		       "\"annotations\":{%s}}}",
		       notes);
	(void)t_ctl_create(t, SP_NODES, "", body);
	(void)make_class(t, "local-path", LOCAL_PROVISIONER, LOCAL_CLASS);
}

static bool choose_node(t_ctl *t, const char *claim, const char *node)
{
	char body[200];
	(void)snprintf(body, sizeof body,
		       "{\"metadata\":{\"annotations\":{\"volume.kubernetes.io/selected-node\":\"%s\"}}}",
		       node);
	return t_ctl_patch(t, PVC(claim), "", body);
}

SP_TEST(sim_volumes, a_directory_comes_and_goes)
{
	t_ctl *t = open_calm();
	char state[100], value[200];
	T_TRUE(!t_failed());
	open_node(t, "\"local-path.sampan/directory\":\"/srv/volumes\"");
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"local-path\""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "c", "WaitForFirstConsumer",
			 "waiting for first consumer to be created before binding"));
	T_TRUE(choose_node(t, "c", "n1"));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Bound"));
	sp_str name = t_ctl_text(t_ctl_get(t, PVC("c")), "spec.volumeName");
	yyjson_val *v = t_ctl_get(t, PV(name.ptr));
	T_TRUE(sp_str_starts(t_ctl_text(v, "spec.hostPath.path"), SP_STR("/srv/volumes/pvc-")));
	T_EQ_C(t_ctl_text(v, "spec.hostPath.type"), "DirectoryOrCreate");
	T_EQ_C(t_ctl_text(v, "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]"),
	       "host1");
	T_EQ_C(t_ctl_text(v, "spec.persistentVolumeReclaimPolicy"), "Delete");
	T_EQ_C(note(v, "pv.kubernetes.io/provisioned-by"), LOCAL_PROVISIONER);
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_event(t, "c", "ProvisioningSucceeded", "Successfully provisioned volume pvc-"));
	/* Given back: the node is asked, and the volume stays until it has answered. */
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	T_TRUE(t_ctl_wait_gone(t, PVC("c")));
	t_ctl_run(t, 5 * SECOND);
	(void)snprintf(state, sizeof state, "local-path.sampan/" SP_FMT, SP_ARG(name));
	T_EQ_C(note(t_ctl_get(t, SP_NODES, "", "n1"), state), "remove");
	T_TRUE(t_ctl_text(t_ctl_get(t, PV(name.ptr)), "metadata.deletionTimestamp").len > 0);
	(void)snprintf(value, sizeof value, "{\"metadata\":{\"annotations\":{\"%s\":\"removed\"}}}", state);
	T_TRUE(t_ctl_patch(t, SP_NODES, "", "n1", "", value));
	T_TRUE(t_ctl_wait_gone(t, PV(name.ptr)));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(note(t_ctl_get(t, SP_NODES, "", "n1"), state), "");
}

SP_TEST(sim_volumes, directories_that_can_not_be)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	open_node(t, "");
	T_TRUE(make_claim(t, "raw", "1Gi", ",\"storageClassName\":\"local-path\",\"volumeMode\":\"Block\""));
	T_TRUE(choose_node(t, "raw", "n1"));
	T_TRUE(make_claim(t, "gone", "1Gi", ",\"storageClassName\":\"local-path\""));
	T_TRUE(choose_node(t, "gone", "n9"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "raw", "ProvisioningFailed", "a directory is no block device"));
	T_TRUE(has_event(t, "gone", "ProvisioningFailed",
			 "failed to provision volume with StorageClass \"local-path\": failed to get target "
			 "node: nodes \"n9\" not found"));
	T_EQ_C(note(t_ctl_get(t, PVC("gone")), "volume.kubernetes.io/selected-node"), "");
	/* The node does not remove: that is said, and the volume stays; a node that is gone took its data. */
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"local-path\""));
	T_TRUE(choose_node(t, "c", "n1"));
	T_TRUE(t_ctl_wait(t, PVC("c"), "status.phase", "Bound"));
	sp_str name = t_ctl_text(t_ctl_get(t, PVC("c")), "spec.volumeName");
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, name.ptr, "VolumeFailedDelete",
			 "node \"n1\" does not remove directories of volumes"));
	T_TRUE(t_ctl_get(t, PV(name.ptr)) != NULL);
	T_TRUE(t_ctl_delete(t, SP_NODES, "", "n1", ""));
	T_TRUE(t_ctl_wait_gone(t, PV(name.ptr)));
}

/* ---- protection, claims of pods ---- */

#define POD(name, node, volume)                                 \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" node \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"v\"," volume "}]}}"
#define USES_C "\"persistentVolumeClaim\":{\"claimName\":\"c\"}"

SP_TEST(sim_volumes, claims_in_use_stay)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("c"), "metadata.finalizers[0]", "kubernetes.io/pvc-protection"));
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "\"nodeName\":\"n1\",", USES_C)));
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	t_ctl_run(t, 20 * SECOND);
	T_TRUE(t_ctl_text(t_ctl_get(t, PVC("c")), "metadata.deletionTimestamp").len > 0);
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "p", ""));
	T_TRUE(t_ctl_wait_gone(t, PVC("c")));
	/* A pod without a node does not hold it. */
	T_TRUE(make_claim(t, "c", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_wait(t, PVC("c"), "metadata.finalizers[0]", "kubernetes.io/pvc-protection"));
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("q", "", USES_C)));
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	T_TRUE(t_ctl_wait_gone(t, PVC("c")));
}

static bool grow(t_ctl *t, const char *name)
{
	return t_ctl_patch(t, PVC(name), "",
			   "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}");
}

/* Nobody here can make a volume larger: the claim is told whom it waits for. */
SP_TEST(sim_volumes, larger_claims_wait_for_others)
{
	t_ctl *t = open_calm();
	T_TRUE(make_class(t, "grows", "x.y/z", ",\"allowVolumeExpansion\":true"));
	T_TRUE(make_volume(t, "v", "1Gi", ",\"storageClassName\":\"grows\""));
	T_TRUE(t_ctl_create(t, SP_PERSISTENTVOLUMES, "",
			    "{\"metadata\":{\"name\":\"w\"},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},"
			    "\"accessModes\":[\"ReadWriteOnce\"],\"storageClassName\":\"grows\","
			    "\"awsElasticBlockStore\":{\"volumeID\":\"vol-1\"}}}"));
	T_TRUE(make_claim(t, "a", "1Gi", ",\"storageClassName\":\"grows\",\"volumeName\":\"v\""));
	T_TRUE(make_claim(t, "b", "1Gi", ",\"storageClassName\":\"grows\",\"volumeName\":\"w\""));
	T_TRUE(t_ctl_wait(t, PVC("a"), "status.phase", "Bound"));
	T_TRUE(t_ctl_wait(t, PVC("b"), "status.phase", "Bound"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(!has_event(t, "a", "ExternalExpanding", ""));
	T_TRUE(grow(t, "a") && grow(t, "b"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "a", "ExternalExpanding",
			 "waiting for an external controller to expand this PVC"));
	T_TRUE(has_event(
		t, "b", "ExternalExpanding",
		"CSI migration enabled for kubernetes.io/aws-ebs; waiting for external resizer to expand the "
		"pvc"));
	T_EQ_C(note(t_ctl_get(t, PVC("b")), "volume.kubernetes.io/storage-resizer"), "ebs.csi.aws.com");
	T_EQ_C(note(t_ctl_get(t, PVC("a")), "volume.kubernetes.io/storage-resizer"), "");
	T_EQ_C(t_ctl_text(t_ctl_get(t, PVC("a")), "status.capacity.storage"), "1Gi");
}

SP_TEST(sim_volumes, pods_get_their_claims)
{
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(make_claim(t, "q-v", "1Gi", ",\"storageClassName\":\"\""));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("p", "",
				"\"ephemeral\":{\"volumeClaimTemplate\":{\"metadata\":{\"labels\":{\"a\":"
				"\"b\"}},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{"
				"\"requests\":{\"storage\":\"1Gi\"}}}}}")));
	T_TRUE(t_ctl_wait(t, PVC("p-v"), "metadata.labels.a", "b"));
	yyjson_val *c = t_ctl_get(t, PVC("p-v"));
	T_EQ_C(t_ctl_text(c, "metadata.ownerReferences[0].kind"), "Pod");
	T_EQ_C(t_ctl_text(c, "metadata.ownerReferences[0].name"), "p");
	T_EQ_C(t_ctl_text(c, "metadata.ownerReferences[0].controller"), "true");
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("q", "",
				"\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{\"accessModes\":["
				"\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}}")));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_event(t, "q", "FailedBinding",
			 "ephemeral volume v: PVC default/q-v was not created for pod default/q (pod is not "
			 "owner)"));
}

SP_TEST(sim_volumes, classes_of_attributes_stay_while_they_are_named)
{
#define CLASS(name) SP_GVR("storage.k8s.io", "v1", "volumeattributesclasses"), "", name
	t_ctl *t = open_calm();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_GVR("storage.k8s.io", "v1", "volumeattributesclasses"), "",
		"{\"metadata\":{\"name\":\"gold\"},\"driverName\":\"d.x\",\"parameters\":{\"a\":\"b\"}}"));
	T_TRUE(t_ctl_wait(t, CLASS("gold"), "metadata.finalizers[0]", "kubernetes.io/vac-protection"));
	T_TRUE(make_claim(t, "c", "1Gi", ",\"volumeAttributesClassName\":\"gold\""));
	t_ctl_run(t, SECOND);
	T_TRUE(t_ctl_delete(t, CLASS("gold"), ""));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(t_ctl_text(t_ctl_get(t, CLASS("gold")), "metadata.deletionTimestamp").len > 0);
	T_TRUE(t_ctl_delete(t, PVC("c"), ""));
	T_TRUE(t_ctl_wait_gone(t, CLASS("gold")));
#undef CLASS
}

/* ---- faults ---- */

/* Every pair points at each other, no volume is two claims', no claim two volumes'. */
static void check_pairs(t_ctl *t, size_t n_bound)
{
	size_t n, m, i, j, max, also, bound = 0;
	yyjson_val *c, *v, *claims = t_ctl_list(t, SP_PERSISTENTVOLUMECLAIMS, "default", "", &n);
	yyjson_val *volumes = t_ctl_list(t, SP_PERSISTENTVOLUMES, "", "", &m);
	yyjson_arr_foreach(claims, i, max, c)
	{
		size_t n_refs = 0;
		yyjson_arr_foreach(volumes, j, also, v)
		{
			bool refers =
				sp_str_eq(t_ctl_text(v, "spec.claimRef.uid"), t_ctl_text(c, "metadata.uid"));
			bool named =
				sp_str_eq(t_ctl_text(c, "spec.volumeName"), t_ctl_text(v, "metadata.name"));
			n_refs += refers;
			T_TRUE(refers == named);
		}
		T_TRUE(n_refs <= 1);
		bound += sp_str_eq(t_ctl_text(c, "status.phase"), SP_STR("Bound"));
	}
	T_EQ_U64(bound, n_bound);
}

/* Until the server has it, however often the network fails. */
static void insist(t_ctl *t, sp_gvr gvr, const char *ns, const char *json)
{
	do
		t_ask(&t->user,
		      &(sp_ask){
			      .verb = SP_ASK_CREATE, .gvr = gvr, .ns = sp_str_c(ns), .body = sp_str_c(json)});
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
}

SP_TEST(sim_volumes, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	char name[20];
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	for (unsigned i = 0; i < SP_MAX(N_CLAIMS, N_VOLUMES); i++) {
		(void)snprintf(name, sizeof name, "v%u", i);
		if (i < N_VOLUMES)
			insist(t, SP_PERSISTENTVOLUMES, "",
			       volume_json(name, i % 2 == 0 ? "1Gi" : "2Gi", ",\"storageClassName\":\"\""));
		(void)snprintf(name, sizeof name, "c%u", i);
		if (i < N_CLAIMS)
			insist(t, SP_PERSISTENTVOLUMECLAIMS, "default",
			       claim_json(name, "1Gi", ",\"storageClassName\":\"\""));
	}
	t_ctl_run(t, 90 * SECOND);
	check_pairs(t, N_VOLUMES);
}
