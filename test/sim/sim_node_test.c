/* SPDX-License-Identifier: Apache-2.0 */
/* The node agent with the API server in the simulator, on a runtime in memory: whole lives of pods, with and
 * without faults. */
#include "base/json.h"
#include "io/file.h"
#include "kube/view.h"
#include "lib/node_rig.h"
#include "lib/store_help.h"
#include "lib/t.h"

static const struct {
	const char *name, *spec, *path, *want;
} lives[] = {
	{"web", "\"containers\":[" C("a", RUN) "," C("b", RUN) "]", STATUS(1) "ready", "true"},
	{"good", "\"restartPolicy\":\"Never\",\"containers\":[" C("a", ENDS("0", "300")) "]", PHASE,
	 "Succeeded"},
	{"bad", "\"restartPolicy\":\"Never\",\"containers\":[" C("a", ENDS("3", "300")) "]", PHASE, "Failed"},
	{"init",
	 "\"restartPolicy\":\"Never\",\"initContainers\":[" C("i", ENDS("0", "200")) "," C(
		 "j", ENDS("0", "200")) "],\"containers\":[" C("a", RUN) "]",
	 PHASE, "Running"},
	{"side",
	 "\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"s\",\"image\":\"i\",\"restartPolicy\":"
	 "\"Always\",\"command\":[" RUN "]}],"
	 "\"containers\":[" C("a", ENDS("0", "1500")) "]",
	 PHASE, "Succeeded"},
	{"crash", "\"containers\":[" C("a", ENDS("1", "100")) "]", STATUS(0) "state.waiting.reason",
	 "CrashLoopBackOff"},
	{"none", "\"containers\":[{\"name\":\"a\",\"image\":\"none/x:1\",\"command\":[" RUN "]}]",
	 STATUS(0) "state.waiting.reason", "ImagePullBackOff"},
	{"deaf", "\"containers\":[" C("a", "\"deaf\"") "]", PHASE, "Running"},
	{"ready",
	 "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
	 "],\"readinessProbe\":{\"exec\":{\"command\":[\"ok\"]},\"periodSeconds\":1}}]",
	 STATUS(0) "ready", "true"},
	{"sick",
	 "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
	 "],\"livenessProbe\":{\"exec\":{\"command\":[\"fail\"]},\"periodSeconds\":1}}]",
	 STATUS(0) "restartCount", "1"},
	{"hook",
	 "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
	 "],\"lifecycle\":{\"postStart\":{\"exec\":{\"command\":[\"ok\"]}},"
	 "\"preStop\":{\"exec\":{\"command\":[\"ok\"]}}}}]",
	 PHASE, "Running"},
	{"late", "\"activeDeadlineSeconds\":2,\"containers\":[" C("a", RUN) "]", "status.reason",
	 "DeadlineExceeded"},
};

static bool all_gone(node_rig *r, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 2; i++) {
		size_t n = 0;
		for (size_t k = 0; k < SP_LEN(lives); k++)
			n += !sp_str_eq(nr_of(r, lives[k].name, PHASE), SP_STR("-"));
		if (n == 0 && fake_cri_boxes(&r->cri) == 0)
			return true;
		nr_run(r, SECOND / 2);
	}
	(void)t_fail(__FILE__, __LINE__, "not everything is gone: %zu sandboxes", fake_cri_boxes(&r->cri));
	return false;
}

SP_TEST(sim_node, lives)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(lives) && !t_failed(); i++)
		nr_make(r, lives[i].name, lives[i].spec);
	for (size_t i = 0; i < SP_LEN(lives) && !t_failed(); i++)
		(void)nr_becomes(r, lives[i].name, lives[i].path, lives[i].want, 60);
	T_TRUE(!t_failed());
	T_EQ_U64(fake_cri_starts(&r->cri, "init", "i"), 1);
	T_EQ_U64(fake_cri_starts(&r->cri, "init", "j"), 1);
	T_EQ_U64(fake_cri_starts(&r->cri, "web", "a"), 1);
	/* Of what crashes again and again two lives are kept. */
	nr_run(r, 200 * SECOND);
	T_TRUE(nr_becomes(r, "crash", STATUS(0) "restartCount", "5", 200));
	nr_run(r, SECOND);
	T_EQ_U64(fake_cri_starts(&r->cri, "crash", "a"), 2);
	/* The agent ends and comes back: what runs is left alone. */
	nr_agent_close(r);
	nr_run(r, 5 * SECOND);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 5 * SECOND);
	T_EQ_U64(fake_cri_starts(&r->cri, "web", "a"), 1);
	T_EQ_C(nr_of(r, "web", STATUS(0) "restartCount"), "0");
	for (size_t i = 0; i < SP_LEN(lives); i++)
		nr_delete(r, lives[i].name);
	T_TRUE(all_gone(r, 60));
	T_TRUE(r->cri.broken == NULL);
}

/* ---- room ---- */

#define ASKS(command, cpu)                                                      \
	"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" command \
	"],\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}]"

/* Pods that have ended take no room, also in the eyes of an agent that has just begun. */
SP_TEST(sim_node, ended_pods_take_no_room)
{
	static const char *const ended[] = {"x", "y", "z"};
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(ended); i++)
		nr_make(r, ended[i], "\"restartPolicy\":\"Never\"," ASKS(ENDS("0", "300"), "1"));
	for (size_t i = 0; i < SP_LEN(ended); i++)
		T_TRUE(nr_becomes(r, ended[i], PHASE, "Succeeded", 20));
	nr_agent_close(r);
	nr_make(r, "a", ASKS(RUN, "4"));
	T_TRUE(nr_agent_open(r));
	T_TRUE(nr_becomes(r, "a", STATUS(0) "ready", "true", 20));
	/* What runs takes its room. */
	nr_agent_close(r);
	nr_make(r, "b", ASKS(RUN, "1"));
	T_TRUE(nr_agent_open(r));
	T_TRUE(nr_becomes(r, "b", "status.reason", "OutOfcpu", 20));
}

/* ---- resources of what runs ---- */

static void resize_to(node_rig *r, const char *name, sp_str resources)
{
	sp_str body = sp_arena_printf(
		T_ARENA, "{\"spec\":{\"containers\":[{\"name\":\"a\",\"resources\":{" SP_FMT "}}]}}",
		SP_ARG(resources));
	sp_ask ask = {.verb = SP_ASK_STRATEGIC_PATCH,
		      .gvr = SP_PODS,
		      .ns = SP_STR("default"),
		      .name = sp_str_c(name),
		      .subresource = SP_STR("resize"),
		      .body = body};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static void resize_requests(node_rig *r, const char *name, const char *requests)
{
	resize_to(r, name, sp_arena_printf(T_ARENA, "\"requests\":{%s}", requests));
}

static void resize(node_rig *r, const char *name, const char *limits)
{
	resize_to(r, name, sp_arena_printf(T_ARENA, "\"limits\":{%s},\"requests\":{%s}", limits, limits));
}

#define SIZED(name, cpu, memory, more)                                                       \
	"\"containers\":[{\"name\":\"" name "\",\"image\":\"i\",\"command\":[" RUN "]," more \
	"\"resources\":{\"limits\":{\"cpu\":\"" cpu "\",\"memory\":\"" memory "\"}}}]"
#define LIMIT(name) STATUS(0) "resources.limits." name
#define LAST_CONDITION "status.conditions[5]."

SP_TEST(sim_node, resize)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "one", SIZED("a", "1", "64Mi", ""));
	nr_make(r, "two",
		SIZED("a", "1", "64Mi",
		      "\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":"
		      "\"RestartContainer\"}],"));
	T_TRUE(nr_becomes(r, "one", LIMIT("cpu"), "1", 60));
	T_TRUE(nr_becomes(r, "two", STATUS(0) "ready", "true", 60));
	/* in place */
	resize(r, "one", "\"cpu\":\"2500m\",\"memory\":\"128Mi\"");
	T_TRUE(nr_becomes(r, "one", LIMIT("cpu"), "2500m", 20));
	T_TRUE(nr_becomes(r, "one", LIMIT("memory"), "128Mi", 20));
	T_TRUE(nr_becomes(r, "one", STATUS(0) "allocatedResources.cpu", "2500m", 20));
	T_TRUE(nr_becomes(r, "one", LAST_CONDITION "type", "-", 20));
	T_EQ_C(nr_of(r, "one", STATUS(0) "restartCount"), "0");
	T_EQ_U64(fake_cri_starts(&r->cri, "one", "a"), 1);
	/* without limits */
	nr_make(r, "free",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]");
	T_TRUE(nr_becomes(r, "free", STATUS(0) "ready", "true", 20));
	resize_requests(r, "free", "\"cpu\":\"200m\"");
	T_TRUE(nr_becomes(r, "free", STATUS(0) "resources.requests.cpu", "200m", 20));
	T_TRUE(nr_becomes(r, "free", LAST_CONDITION "type", "-", 20));
	nr_delete(r, "free");
	nr_run(r, 10 * SECOND);
	/* with a restart, for the policy says so; not for memory */
	resize(r, "two", "\"cpu\":\"1\",\"memory\":\"65Mi\"");
	T_TRUE(nr_becomes(r, "two", LIMIT("memory"), "65Mi", 20));
	T_EQ_U64(fake_cri_starts(&r->cri, "two", "a"), 1);
	resize(r, "two", "\"cpu\":\"500m\",\"memory\":\"65Mi\"");
	T_TRUE(nr_becomes(r, "two", LIMIT("cpu"), "500m", 60));
	T_EQ_C(nr_of(r, "two", STATUS(0) "restartCount"), "1");
	T_TRUE(nr_becomes(r, "two", LAST_CONDITION "type", "-", 20));
	/* no room: it waits until another pod gives some back, also over a restart of the agent */
	resize(r, "two", "\"cpu\":\"3\",\"memory\":\"65Mi\"");
	T_TRUE(nr_becomes(r, "two", LAST_CONDITION "type", "PodResizePending", 20));
	T_EQ_C(nr_of(r, "two", LAST_CONDITION "reason"), "Deferred");
	T_EQ_C(nr_of(r, "two", LAST_CONDITION "message"),
	       "Node didn't have enough resource: cpu, requested: 3000, used: 2500, capacity: 4000");
	T_EQ_C(nr_of(r, "two", STATUS(0) "allocatedResources.cpu"), "500m");
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 5 * SECOND);
	T_EQ_C(nr_of(r, "two", STATUS(0) "allocatedResources.cpu"), "500m");
	T_EQ_C(nr_of(r, "two", STATUS(0) "restartCount"), "1");
	nr_delete(r, "one");
	T_TRUE(nr_becomes(r, "two", LIMIT("cpu"), "3", 60));
	T_TRUE(nr_becomes(r, "two", LAST_CONDITION "type", "-", 20));
	T_EQ_C(nr_of(r, "two", STATUS(0) "restartCount"), "2");
	/* the runtime refuses: what is in force is told, with why; another wish ends that */
	resize(r, "two", "\"cpu\":\"3\",\"memory\":\"13Mi\"");
	T_TRUE(nr_becomes(r, "two", LAST_CONDITION "reason", "Error", 20));
	T_EQ_C(nr_of(r, "two", LAST_CONDITION "type"), "PodResizeInProgress");
	T_EQ_C(nr_of(r, "two", LAST_CONDITION "message"), "rpc error: code = Unknown desc = no room");
	T_EQ_C(nr_of(r, "two", LIMIT("memory")), "65Mi");
	T_EQ_C(nr_of(r, "two", STATUS(0) "allocatedResources.memory"), "13Mi");
	resize(r, "two", "\"cpu\":\"3\",\"memory\":\"66Mi\"");
	T_TRUE(nr_becomes(r, "two", LIMIT("memory"), "66Mi", 20));
	T_TRUE(nr_becomes(r, "two", LAST_CONDITION "type", "-", 20));
	T_TRUE(r->cri.broken == NULL);
}

/* A memory limit below what is in use waits, and says so, until there is less in use or another wish. U:
 * validateMemoryResizeAction. */
SP_TEST(sim_node, resize_below_what_is_in_use)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "big",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[\"run\",\"50\",\"1\"],"
		"\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}}]");
	T_TRUE(nr_becomes(r, "big", STATUS(0) "ready", "true", 60));
	resize(r, "big", "\"cpu\":\"1\",\"memory\":\"40Mi\"");
	T_TRUE(nr_becomes(r, "big", LAST_CONDITION "reason", "Error", 20));
	T_EQ_C(nr_of(r, "big", LAST_CONDITION "type"), "PodResizeInProgress");
	T_EQ_C(nr_of(r, "big", LAST_CONDITION "message"),
	       "cannot decrease memory limits: [attempting to set pod memory limit (41943040) below current "
	       "usage (52428800), attempting to set container \"a\" memory limit (41943040) below current "
	       "usage (52428800)]");
	T_EQ_C(nr_of(r, "big", LIMIT("memory")), "64Mi");
	T_EQ_C(nr_of(r, "big", STATUS(0) "allocatedResources.memory"), "40Mi");
	resize(r, "big", "\"cpu\":\"1\",\"memory\":\"51Mi\"");
	T_TRUE(nr_becomes(r, "big", LIMIT("memory"), "51Mi", 30));
	T_TRUE(nr_becomes(r, "big", LAST_CONDITION "type", "-", 20));
	T_EQ_C(nr_of(r, "big", STATUS(0) "restartCount"), "0");
}

/* ---- claims ---- */

static void write_object(node_rig *r, sp_ask_verb verb, sp_gvr gvr, const char *ns, const char *name,
			 const char *subresource, const char *body)
{
	sp_ask ask = {.verb = verb,
		      .gvr = gvr,
		      .ns = sp_str_c(ns),
		      .name = sp_str_c(name),
		      .subresource = sp_str_c(subresource),
		      .body = sp_str_c(body)};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static sp_str value_of(node_rig *r, sp_gvr gvr, const char *ns, const char *name, const char *path,
		       const char *member)
{
	yyjson_val *tree;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = gvr, .ns = sp_str_c(ns), .name = sp_str_c(name)};
	t_ask(&r->user, &ask);
	if (r->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return SP_STR("-");
	return sp_json_str(sp_json_last(sp_view_at(tree, path), sp_str_c(member)));
}

#define VOLUME "pvc-01234567-89ab-cdef-0123-456789abcdef"

SP_TEST(sim_node, claims)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"
		"\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]");
	nr_run(r, 5 * SECOND);
	T_EQ_C(nr_of(r, "p", STATUS(0) "state.waiting.reason"), "ContainerCreating");
#define MISSING                                                                                       \
	"Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to " \
	"process "                                                                                    \
	"volumes=[v]: error processing PVC default/data: "
	T_TRUE(nr_has_event(
		r, "FailedMount",
		MISSING "failed to fetch PVC from API server: persistentvolumeclaims \"data\" not found"));
	write_object(r, SP_ASK_CREATE, SP_PERSISTENTVOLUMECLAIMS, "default", "", "",
		     "{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
		     "\"volumeName\":\"pv\",\"storageClassName\":\"\",\"resources\":{\"requests\":{"
		     "\"storage\":\"1Gi\"}}}}");
	nr_run(r, 15 * SECOND);
	T_TRUE(nr_has_event(r, "FailedMount", MISSING "PVC is not bound"));
	T_EQ_U64(fake_cri_starts(&r->cri, "p", "a"), 0);
	sp_str uid = value_of(r, SP_PERSISTENTVOLUMECLAIMS, "default", "data", "metadata", "uid");
	sp_str volume = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"pv\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"capacity\":{"
		"\"storage\":\"1Gi\"},\"claimRef\":{\"namespace\":\"default\",\"name\":\"data\",\"uid\":"
		"\"" SP_FMT "\"},\"hostPath\":{\"path\":\"/data\"}}}",
		SP_ARG(uid));
	write_object(r, SP_ASK_CREATE, SP_PERSISTENTVOLUMES, "", "", "", volume.ptr);
	write_object(r, SP_ASK_MERGE_PATCH, SP_PERSISTENTVOLUMECLAIMS, "default", "data", "status",
		     "{\"status\":{\"phase\":\"Bound\"}}");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 30));
	/* It is known from then on: the claim is not asked for again. */
	nr_run(r, 30 * SECOND);
	T_EQ_U64(fake_cri_starts(&r->cri, "p", "a"), 1);
	/* Directories that are given back. */
	T_EQ_C(value_of(r, SP_NODES, "", "n1", "metadata.annotations", "local-path.sampan/directory"),
	       "/volumes");
	write_object(r, SP_ASK_MERGE_PATCH, SP_NODES, "", "n1", "",
		     "{\"metadata\":{\"annotations\":{\"local-path.sampan/" VOLUME "\":\"remove\","
		     "\"local-path.sampan/other\":\"remove\"}}}");
	nr_run(r, 5 * SECOND);
	T_EQ_C(value_of(r, SP_NODES, "", "n1", "metadata.annotations", "local-path.sampan/" VOLUME),
	       "removed");
	T_EQ_C(value_of(r, SP_NODES, "", "n1", "metadata.annotations", "local-path.sampan/other"), "remove");
}

SP_TEST(sim_node, pull_secrets)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p",
		"\"imagePullSecrets\":[{\"name\":\"one\"},{\"name\":\"two\"}],\"containers\":[{\"name\":"
		"\"a\","
		"\"image\":\"private.io/x:1\",\"command\":[" RUN "]}]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "state.waiting.reason", "ErrImagePull", 20));
	nr_run(r, SECOND);
	T_TRUE(nr_has_event(
		r, "FailedToRetrieveImagePullSecret",
		"Unable to retrieve some image pull secrets (one, two); attempting to pull the image may "
		"not succeed."));
	T_TRUE(nr_has_event(
		r, "Failed",
		"Failed to pull image \"private.io/x:1\": rpc error: code = Unknown desc = denied"));
	/* The first one is for the image, too, but no longer good: the next is tried. */
	write_object(r, SP_ASK_CREATE, SP_SECRETS, "default", "", "",
		     "{\"metadata\":{\"name\":\"one\"},\"type\":\"kubernetes.io/"
		     "dockerconfigjson\",\"stringData\":{"
		     "\".dockerconfigjson\":\"{\\\"auths\\\":{\\\"private.io/"
		     "x\\\":{\\\"username\\\":\\\"bad\\\"}}}\"}}");
	write_object(r, SP_ASK_CREATE, SP_SECRETS, "default", "", "",
		     "{\"metadata\":{\"name\":\"two\"},\"type\":\"kubernetes.io/dockercfg\",\"stringData\":{"
		     "\".dockercfg\":\"{\\\"private.io\\\":{\\\"auth\\\":\\\"dTpw\\\"}}\"}}");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 120));
}

/* An image that names no user runs as root. */
SP_TEST(sim_node, not_as_root)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p", "\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "state.waiting.reason", "CreateContainerConfigError", 20));
	T_TRUE(sp_str_starts(
		nr_of(r, "p", STATUS(0) "state.waiting.message"),
		SP_STR("container has runAsNonRoot and image will run as root (pod: \"p_default(")));
}

SP_TEST(sim_node, runtime_class)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	write_object(r, SP_ASK_CREATE, SP_RUNTIMECLASSES, "", "", "",
		     "{\"metadata\":{\"name\":\"slow\"},\"handler\":\"h1\"}");
	nr_make(r, "p", "\"runtimeClassName\":\"slow\",\"containers\":[" C("a", RUN) "]");
	nr_make(r, "plain", "\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "plain", STATUS(0) "ready", "true", 20));
	T_EQ_C(fake_cri_handler(&r->cri, "p"), "h1");
	T_EQ_C(fake_cri_handler(&r->cri, "plain"), "");
	/* One that goes between the pod's creation and its start. */
	nr_agent_close(r);
	nr_make(r, "late", "\"runtimeClassName\":\"slow\",\"containers\":[" C("a", RUN) "]");
	write_object(r, SP_ASK_DELETE, SP_RUNTIMECLASSES, "", "slow", "", "");
	T_TRUE(nr_agent_open(r));
	nr_run(r, 5 * SECOND);
	T_TRUE(nr_has_event(r, "FailedCreatePodSandBox",
			    "Failed to create pod sandbox: runtimeclass.node.k8s.io \"slow\" not found"));
	T_EQ_C(fake_cri_handler(&r->cri, "late"), "-");
	write_object(r, SP_ASK_CREATE, SP_RUNTIMECLASSES, "", "", "",
		     "{\"metadata\":{\"name\":\"slow\"},\"handler\":\"h2\"}");
	T_TRUE(nr_becomes(r, "late", STATUS(0) "ready", "true", 20));
	T_EQ_C(fake_cri_handler(&r->cri, "late"), "h2");
	T_EQ_C(fake_cri_handler(&r->cri, "p"), "h1");
}

static void write_log(node_rig *r, sp_str path, size_t n)
{
	static const char text[200];
	SP_AUTO_FILE f = NULL;
	if (sp_file_open(r->machine.world, path, SP_FILE_WRITE | SP_FILE_CREATE, 0600, &f, T_ERR) != SP_OK ||
	    sp_file_append(f, text, n, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no log: %s", T_ERR->msg);
}

static size_t logs_in(node_rig *r, sp_str dir)
{
	sp_dir_entry *at;
	size_t n = 0;
	return sp_dir_list(r->machine.world, dir, T_ARENA, &at, &n, T_ERR) == SP_OK ? n : SIZE_MAX;
}

static node_rig *log_rig;
static sp_str log_of_a;

static void on_reopened(void)
{
	write_log(log_rig, log_of_a, 0);
}

SP_TEST(sim_node, logs_that_grow)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p", "\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 20));
	sp_str uid = nr_of(r, "p", "metadata.uid"),
	       dir = sp_arena_printf(T_ARENA, "/logs/default_p_" SP_FMT "/a", SP_ARG(uid)),
	       log = SP_CONCAT(T_ARENA, dir, SP_STR("/0.log"));
	T_OK(sp_dir_make(r->machine.world, dir, 0700, T_ERR));
	log_rig = r;
	log_of_a = log;
	r->cri.reopened = on_reopened;
	write_log(r, log, 99);
	nr_run(r, 25 * SECOND);
	T_EQ_U64(r->cri.n_reopened, 0);
	write_log(r, log, 1);
	nr_run(r, 11 * SECOND);
	T_EQ_U64(r->cri.n_reopened, 1);
	T_EQ_U64(logs_in(r, dir), 2); /* set aside, and begun again */
	/* A runtime that goes on with the old file: it keeps its name. */
	r->cri.keeps_logs = true;
	write_log(r, log, 100);
	nr_run(r, 11 * SECOND);
	sp_stat st;
	T_OK(sp_path_stat(r->machine.world, log, &st, T_ERR));
	T_EQ_U64(st.size, 100);
	r->cri.keeps_logs = false;
	for (unsigned i = 0; i < 4; i++) { /* no more than three */
		nr_run(r, 11 * SECOND);
		write_log(r, log, 100);
	}
	T_EQ_U64(r->cri.n_reopened, 5);
	T_EQ_U64(logs_in(r, dir), 3);
	nr_run(r, 11 * SECOND);
	uint64_t n = r->cri.n_reopened;
	T_OK(sp_path_unlink(r->machine.world, log, T_ERR)); /* by somebody else */
	nr_run(r, 11 * SECOND);
	T_EQ_U64(r->cri.n_reopened, n + 1);
	T_OK(sp_path_stat(r->machine.world, log, &st, T_ERR));
}

/* An agent that is there before the API server does not keep it waiting. */
SP_TEST(sim_node, registers_as_soon_as_it_can)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, SECOND);
	nr_agent_close(r);
	sp_ask ask = {.verb = SP_ASK_DELETE, .gvr = SP_NODES, .name = SP_STR("n1")};
	T_TRUE(t_ask_ok(&r->user, &ask, SP_OK));
	T_TRUE(t_api_stop(&r->api, SECOND));
	T_TRUE(nr_agent_open(r));
	nr_run(r, SECOND / 2);
	T_TRUE(t_api_start(&r->api));
	nr_run(r, SECOND);
	ask.verb = SP_ASK_GET;
	T_TRUE(t_ask_ok(&r->user, &ask, SP_OK));
}

static sp_str node_value(node_rig *r, const char *path)
{
	yyjson_val *tree;
	const sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_NODES, .name = SP_STR("n1")};
	if (!t_ask_ok(&r->user, &ask, SP_OK) ||
	    sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, T_ERR) != SP_OK)
		return SP_STR("-");
	return sp_view_str_at(tree, path);
}

/* The node is not ready before its range of pods' addresses is known and the runtime has it. */
SP_TEST(sim_node, range_of_addresses)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_agent_close(r);
	r->cri.needs_range = true;
	T_TRUE(nr_agent_open(r));
	nr_run(r, 11 * SECOND);
	T_EQ_STR(node_value(r, "status.conditions[3].reason"), SP_STR("KubeletNotReady"));
	T_EQ_STR(node_value(r, "status.conditions[3].message"),
		 SP_STR("container runtime network not ready: NetworkReady=false "
			"reason:NetworkPluginNotReady message:no range"));
	nr_make(r, "web", lives[0].spec);
	nr_run(r, 3 * SECOND);
	T_EQ_U64(fake_cri_boxes(&r->cri), 0);
	T_TRUE(nr_has_event(r, "NetworkNotReady",
			    "network is not ready: container runtime network not ready: NetworkReady=false "
			    "reason:NetworkPluginNotReady message:no range"));
	T_TRUE(t_ask_ok(&r->user,
			&(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				  .gvr = SP_NODES,
				  .name = SP_STR("n1"),
				  .body = SP_STR("{\"spec\":{\"podCIDR\":\"10.88.3.0/24\",\"podCIDRs\":["
						 "\"10.88.3.0/24\",\"fd00:3::/64\"]}}")},
			SP_OK));
	nr_run(r, SECOND / 2); /* at once, not with the next look */
	T_EQ_STR(sp_str_c(r->cri.range), SP_STR("10.88.3.0/24,fd00:3::/64"));
	T_EQ_STR(node_value(r, "status.conditions[3].reason"), SP_STR("KubeletReady"));
	T_TRUE(nr_becomes(r, "web", PHASE, "Running", 5));
	nr_run(r, 30 * SECOND);
	T_EQ_U64(r->cri.n_ranges, 1);
	/* Another runtime in its place does not know it. */
	r->cri.range[0] = 0;
	fake_cri_end_events(&r->cri);
	nr_run(r, 2 * SECOND);
	T_EQ_U64(r->cri.n_ranges, 2);
	nr_run(r, 11 * SECOND);
	T_EQ_STR(node_value(r, "status.conditions[3].reason"), SP_STR("KubeletReady"));
	/* An agent that comes back tells it, too. */
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, SECOND);
	T_TRUE(r->cri.n_ranges == 3 ||
	       r->cri.n_ranges == 4); /* perhaps again, when events of the runtime begin */
	unsigned n = (unsigned)r->cri.n_ranges;
	nr_run(r, 30 * SECOND);
	T_EQ_U64(r->cri.n_ranges, n);
}

/* The machine begins anew: dead sandboxes are stopped before there is another, and don't heap up. */
SP_TEST(sim_node, reboots)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "web", "\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "web", PHASE, "Running", 10));
	for (unsigned i = 1; i <= 4 && !t_failed(); i++) {
		nr_agent_close(r);
		fake_cri_reboot(&r->cri);
		T_TRUE(nr_agent_open(r));
		nr_run(r, 400 * SECOND);
		T_EQ_U64(fake_cri_running(&r->cri), 1);
	}
	T_TRUE(nr_has_event(r, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."));
	T_EQ_U64(fake_cri_boxes(&r->cri), 2); /* that of the life before has its container still */
	T_EQ_C(nr_of(r, "web", STATUS(0) "restartCount"), "4");
	if (r->cri.broken != NULL)
		T_FAIL("%s", r->cri.broken);
}

/* The runtime lost everything: what ran is begun again, and it is told that it ended somehow. */
SP_TEST(sim_node, lost_containers)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "web", "\"containers\":[" C("a", RUN) "]");
	nr_make(r, "once", "\"restartPolicy\":\"Never\",\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "web", PHASE, "Running", 10));
	T_TRUE(nr_becomes(r, "once", PHASE, "Running", 10));
	nr_agent_close(r);
	fake_cri_forget(&r->cri);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 10 * SECOND);
	T_EQ_C(nr_of(r, "web", PHASE), "Running");
	T_EQ_C(nr_of(r, "web", STATUS(0) "ready"), "true");
	T_EQ_C(nr_of(r, "web", STATUS(0) "restartCount"), "1");
	T_EQ_C(nr_of(r, "web", STATUS(0) "lastState.terminated.reason"), "ContainerStatusUnknown");
	T_EQ_C(nr_of(r, "web", STATUS(0) "lastState.terminated.exitCode"), "137");
	T_EQ_C(nr_of(r, "once", PHASE), "Failed"); /* never twice */
	T_EQ_U64(fake_cri_starts(&r->cri, "once", "a"), 0);
}

SP_TEST(sim_node, too_many_nameservers)
{
	nr_dns = SP_STR("10.96.0.10"); /* each test is a process of its own */
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "web",
		"\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\"]},\"containers\":[" C(
			"a", RUN) "]");
	T_TRUE(nr_becomes(r, "web", PHASE, "Running", 10));
	nr_run(r, SECOND);
	T_TRUE(nr_has_event(
		r, "DNSConfigForming",
		"Nameserver limits were exceeded, some nameservers have been omitted, the applied "
		"nameserver line is: 10.96.0.10 1.1.1.1 1.1.1.2"));
}

static bool has_status_event(node_rig *r, const char *reason)
{
	char text[100];
	(void)snprintf(text, sizeof text, "Node n1 status is now: %s", reason);
	return nr_has_event(r, reason, text);
}

static bool change_node(node_rig *r, sp_str subresource, const char *body)
{
	sp_ask ask = {.verb = SP_ASK_STRATEGIC_PATCH,
		      .gvr = SP_NODES,
		      .name = SP_STR("n1"),
		      .subresource = subresource,
		      .body = sp_str_c(body)};
	return t_ask_ok(&r->user, &ask, SP_OK);
}

/* What the agent tells of its node, and what it does when somebody else writes there. */
SP_TEST(sim_node, own_node)
{
	static const char *const first[] = {"NodeHasSufficientMemory", "NodeHasNoDiskPressure",
					    "NodeHasSufficientPID", "NodeReady"};
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 3 * SECOND);
	T_TRUE(nr_has_event(r, "Starting", "Starting kubelet."));
	for (size_t i = 0; i < SP_LEN(first); i++)
		T_TRUE(has_status_event(r, first[i]));
	T_TRUE(!has_status_event(r, "NodeNotSchedulable"));
	T_TRUE(change_node(r, SP_STR(""), "{\"spec\":{\"unschedulable\":true}}"));
	nr_run(r, SECOND);
	T_TRUE(has_status_event(r, "NodeNotSchedulable"));
	T_TRUE(change_node(r, SP_STR(""), "{\"spec\":{\"unschedulable\":null}}"));
	nr_run(r, SECOND);
	T_TRUE(has_status_event(r, "NodeSchedulable"));

	sp_str since = node_value(r, "status.conditions[3].lastTransitionTime");
	nr_agent_close(r);
	nr_run(r, 5 * SECOND);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 5 * SECOND);
	T_EQ_C(node_value(r, "status.conditions[3].status"), "True");
	T_TRUE(sp_str_eq(node_value(r, "status.conditions[3].lastTransitionTime"), since));

	T_TRUE(change_node(r, SP_STR("status"),
			   "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}],"
			   "\"nodeInfo\":{\"bootID\":\"another\"}}}"));
	nr_run(r, SECOND);
	T_EQ_C(node_value(r, "status.conditions[3].status"), "True");
	T_TRUE(!sp_str_eq(node_value(r, "status.conditions[3].lastTransitionTime"), since));
}

/* Somebody else's words in a pod's status stay for 10 s at most; conditions of others stay. */
SP_TEST(sim_node, overwritten_status)
{
	static const char *const paths[] = {PHASE, STATUS(0) "ready"}, *const were[] = {"Running", "true"};
	static const char others[] =
		"{\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"Ready\","
		"\"status\":\"False\"},{\"type\":\"example.com/x\",\"status\":\"True\"}]}}";
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "web", "\"containers\":[" C("a", RUN) "]");
	for (size_t i = 0; i < SP_LEN(paths); i++)
		T_TRUE(nr_becomes(r, "web", paths[i], were[i], 10));
	nr_run(r, t_random_below(15 * SECOND));
	sp_ask ask = {.verb = SP_ASK_STRATEGIC_PATCH,
		      .gvr = SP_PODS,
		      .ns = SP_STR("default"),
		      .name = SP_STR("web"),
		      .subresource = SP_STR("status"),
		      .body = sp_str_c(others)};
	T_TRUE(t_ask_ok(&r->user, &ask, SP_OK));
	T_EQ_C(nr_of(r, "web", PHASE), "Pending");
	nr_run(r, 11 * SECOND);
	T_EQ_C(nr_of(r, "web", PHASE), "Running");
	sp_str revision = nr_of(r, "web", "metadata.resourceVersion");
	nr_run(r, 30 * SECOND);
	T_TRUE(sp_str_eq(nr_of(r, "web", "metadata.resourceVersion"), revision));
	T_TRUE(nr_becomes(r, "web", "status.conditions[4].status", "True", 1));
	for (size_t i = 0; i < 6; i++) {
		char path[64];
		(void)snprintf(path, sizeof path, "status.conditions[%zu].status", i);
		T_TRUE(!sp_str_eq(nr_of(r, "web", path), SP_STR("False")));
	}
}

/* An agent that waited long for an API server knows its pods soon after the server answers it. */
SP_TEST(sim_node, server_is_back)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed() && t_api_stop(&r->api, SECOND));
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, (100 + t_random_below(200)) * SECOND);
	T_TRUE(t_api_start(&r->api));
	nr_make(r, "web", lives[0].spec);
	T_TRUE(!t_failed() && nr_becomes(r, "web", PHASE, "Running", 15));
}

/* Calls that fail or lose their answer, containers that die, an agent and an API server that restart, a bad
 * network. */
SP_TEST(sim_node, faults)
{
	sp_sim_opts opts = {
		.seed = t_random(),
		.faults = {.short_io_ppm = 20000, .delay_ppm = 20000, .reset_ppm = 200, .slow_ppm = 10000}};
	node_rig *r = nr_open(&opts);
	T_TRUE(!t_failed());
	r->cri.fail_ppm = (uint32_t)t_random_below(150000);
	r->cri.delay_ns = t_random_below(300) * 1000000 + 1;
	for (size_t i = 0; i < SP_LEN(lives) && !t_failed(); i++)
		nr_make(r, lives[i].name, lives[i].spec);
	for (unsigned i = 0; i < 12 && !t_failed(); i++) {
		nr_run(r, (1 + t_random_below(8)) * SECOND);
		switch (t_random_below(5)) {
		case 0:
			fake_cri_kill(&r->cri, "web", "a");
			break;
		case 1:
			fake_cri_kill(&r->cri, "side", "s");
			break;
		case 2:
			nr_agent_close(r);
			nr_run(r, t_random_below(3) * SECOND);
			(void)nr_agent_open(r);
			break;
		case 3:
			(void)t_api_restart(&r->api, SECOND);
			break;
		default:
			break;
		}
	}
	T_TRUE(!t_failed());
	sp_sim_calm(r->api.sim);
	r->cri.fail_ppm = 0;
	static const struct {
		const char *name, *path, *want;
	} ends[] = {{"web", STATUS(0) "ready", "true"}, {"good", PHASE, "Succeeded"},
		    {"bad", PHASE, "Failed"},           {"init", PHASE, "Running"},
		    {"side", PHASE, "Succeeded"},       {"ready", STATUS(0) "ready", "true"},
		    {"late", PHASE, "Failed"}};
	for (size_t i = 0; i < SP_LEN(ends) && !t_failed(); i++)
		(void)nr_becomes(r, ends[i].name, ends[i].path, ends[i].want, 700);
	for (size_t i = 0; i < SP_LEN(lives); i++)
		nr_delete(r, lives[i].name);
	T_TRUE(all_gone(r, 200));
	if (r->cri.broken != NULL)
		T_FAIL("%s", r->cri.broken);
}

/* ---- static pods ---- */

static void write_manifest(node_rig *r, const char *name, const char *text)
{
	sp_str path = sp_arena_printf(T_ARENA, "/manifests/%s", name);
	T_OK(sp_dir_make(r->machine.world, SP_STR("/manifests"), 0755, T_ERR));
	T_OK(sp_file_replace(r->machine.world, path, sp_str_c(text), 0644, T_ERR));
}

#define MANIFEST(label)                                                                       \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"labels\":{" \
	"\"v\":\"" label                                                                      \
	"\"}},\"spec\":{\"terminationGracePeriodSeconds\":5,\"containers\":[" C("a", RUN) "]}}"

/* The one who watches over a directory is the clock here: a file is seen within 20 s. */
#define SCAN 30

SP_TEST(sim_node, static_pods)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	write_manifest(r, "web.yaml", MANIFEST("1"));
	write_manifest(r, ".hidden.yaml", "no pod");
	write_manifest(r, "bad.yaml", "no pod");
	T_TRUE(nr_becomes(r, "web-n1", PHASE, "Running", SCAN));
	T_TRUE(nr_becomes(r, "web-n1", STATUS(0) "ready", "true", SCAN));
	T_EQ_C(nr_of(r, "web-n1", "spec.nodeName"), "n1");
	T_EQ_U64(fake_cri_starts(&r->cri, "web-n1", "a"), 1);
	sp_str start = nr_of(r, "web-n1", "status.startTime");
	/* A mirror that is deleted comes back; what runs is not touched. */
	sp_str uid = nr_of(r, "web-n1", "metadata.uid");
	nr_delete(r, "web-n1");
	nr_run(r, SCAN * SECOND);
	T_TRUE(nr_becomes(r, "web-n1", PHASE, "Running", SCAN));
	T_TRUE(!sp_str_eq(nr_of(r, "web-n1", "metadata.uid"), uid));
	T_TRUE(sp_str_eq(nr_of(r, "web-n1", "status.startTime"), start));
	T_EQ_U64(fake_cri_starts(&r->cri, "web-n1", "a"), 1);
	/* Nor does a restart of the agent. */
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, SCAN * SECOND);
	T_EQ_C(nr_of(r, "web-n1", PHASE), "Running");
	T_EQ_U64(fake_cri_starts(&r->cri, "web-n1", "a"), 1);
	sp_str id = nr_of(r, "web-n1", STATUS(0) "containerID");
	/* Another text is another pod, which begins when the old one has ended. */
	write_manifest(r, "web.yaml", MANIFEST("2"));
	T_TRUE(nr_becomes(r, "web-n1", "metadata.labels.v", "2", SCAN));
	T_TRUE(nr_becomes(r, "web-n1", STATUS(0) "ready", "true", SCAN));
	T_TRUE(!sp_str_eq(nr_of(r, "web-n1", STATUS(0) "containerID"), id));
	nr_run(r, SCAN * SECOND);
	T_EQ_U64(fake_cri_boxes(&r->cri), 1);
	/* Without its file it goes, and its mirror too. */
	T_OK(sp_path_unlink(r->machine.world, SP_STR("/manifests/web.yaml"), T_ERR));
	T_TRUE(nr_becomes(r, "web-n1", PHASE, "-", SCAN * 2));
	T_EQ_U64(fake_cri_boxes(&r->cri), 0);
}

/* ---- images ---- */

SP_TEST(sim_node, image_volumes)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
#define VOLUMES(first_, second_)                                                             \
	"\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"" first_                    \
	"\",\"pullPolicy\":\"Always\"}},{\"name\":\"w\",\"image\":{\"reference\":\"" second_ \
	"\",\"pullPolicy\":\"IfNotPresent\"}}]"
#define MOUNTING(name_, mounts_)                                                                            \
	"\"containers\":[{\"name\":\"" name_ "\",\"image\":\"i\",\"command\":[" RUN "],\"env\":[{\"name\":" \
	"\"DIR\",\"value\":\"b/c\"}],\"volumeMounts\":[" mounts_ "]}],"
	nr_make(r, "good",
		MOUNTING("g", "{\"name\":\"v\",\"mountPath\":\"/v\"},{\"name\":\"w\",\"mountPath\":\"/w\","
			      "\"subPathExpr\":\"a/$(DIR)\"}") VOLUMES("volume:1", "other:2"));
	T_TRUE(nr_becomes(r, "good", STATUS(0) "ready", "true", 20));
	const sp_cri_container_config *c = fake_cri_container(&r->cri, "g");
	T_TRUE(c != NULL && c->mounts.n >= 2);
	static const struct {
		const char *path, *ref, *name, *sub_path;
	} want[] = {{"/v", "sha256:2", "volume:1", ""}, {"/w", "sha256:1", "other:2", "a/b/c"}};
	for (size_t i = 0; i < SP_LEN(want); i++) {
		const sp_cri_mount *m = &c->mounts.at[i];
		t_row("%zu", i);
		T_EQ_C(m->container_path, want[i].path);
		T_TRUE(m->image != NULL && m->readonly && m->host_path.len == 0);
		T_EQ_C(m->image->image, want[i].ref);
		T_EQ_C(m->image->user_specified_image, want[i].name);
		T_EQ_C(m->image_sub_path, want[i].sub_path);
	}
	T_TRUE(nr_has_event(r, "Pulling", "Pulling image \"volume:1\""));
	T_TRUE(!nr_has_event(r, "Pulling", "Pulling image \"other:2\""));
	/* One that is not to be had: only who mounts it waits for it. */
	nr_make(r, "bad",
		MOUNTING("b", "{\"name\":\"v\",\"mountPath\":\"/v\"}") VOLUMES("none:1", "other:2"));
	nr_make(r, "part",
		MOUNTING("p", "{\"name\":\"w\",\"mountPath\":\"/w\"}") VOLUMES("none:1", "other:2"));
	T_TRUE(nr_becomes(r, "part", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "bad", STATUS(0) "state.waiting.reason", "ErrImagePull", 20));
	T_EQ_C(nr_of(r, "bad", STATUS(0) "state.waiting.message"),
	       "rpc error: code = NotFound desc = no such image");
	T_TRUE(nr_becomes(r, "bad", STATUS(0) "state.waiting.reason", "ImagePullBackOff", 20));
	T_EQ_C(nr_of(r, "bad", STATUS(0) "state.waiting.message"),
	       "Back-off pulling image \"none:1\": ErrImagePull: rpc error: code = NotFound desc = no such "
	       "image");
	T_TRUE(nr_has_event(r, "Failed", "Error: ErrImagePull"));
	T_TRUE(fake_cri_container(&r->cri, "b") == NULL);
	/* What is mounted is used. */
	nr_disk.available = 0;
	nr_run(r, 700 * SECOND);
	T_EQ_U64(r->cri.removed_images, 2);
	nr_disk.available = nr_disk.capacity;
	T_TRUE(r->cri.broken == NULL);
}

/* The pause between pulls grows to minutes; an image that somebody else brings is seen within 10 s. */
SP_TEST(sim_node, an_image_that_others_bring)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p",
		"\"containers\":[{\"name\":\"a\",\"image\":\"none:1\",\"imagePullPolicy\":\"IfNotPresent\","
		"\"command\":[" RUN "]}]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "state.waiting.reason", "ErrImagePull", 20));
	nr_run(r, 400 * SECOND);
	T_EQ_C(nr_of(r, "p", STATUS(0) "state.waiting.reason"), "ImagePullBackOff");
	r->cri.has_none = true;
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 12));
}

SP_TEST(sim_node, images_on_a_full_disk)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p", "\"containers\":[" C("a", RUN) "]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 20));
	nr_disk.available = 16000; /* 85 % begin with the next byte */
	nr_run(r, 700 * SECOND);
	T_EQ_U64(r->cri.removed_images, 0);
	nr_disk.available = 15999;
	nr_run(r, 301 * SECOND);
	T_EQ_U64(r->cri.removed_images, 3);
	T_TRUE(nr_has_event(
		r, "FreeDiskSpaceFailed",
		"Insufficient free disk space on the node's image filesystem (85% of 97.7 KiB used). "
		"Failed to free sufficient space by deleting unused images (freed 2000 bytes). "
		"Investigate disk usage, as it could be used by active images, logs, volumes, or other "
		"data."));
	T_TRUE(r->cri.broken == NULL);
}

/* ---- pods that begin anew ---- */

#define RESETS(name, command, code)                                                                        \
	"{\"name\":\"" name "\",\"image\":\"i\",\"command\":[" command "],\"restartPolicy\":\"Never\","    \
	"\"restartPolicyRules\":[{\"action\":\"RestartAllContainers\",\"exitCodes\":{\"operator\":\"In\"," \
	"\"values\":[" code "]}}]}"
#define RESTARTING "status.conditions[5]."

SP_TEST(sim_node, all_containers_begin_anew)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p",
		"\"restartPolicy\":\"Never\",\"initContainers\":[" C(
			"i",
			ENDS("0",
			     "100")) "],\"containers\":[" RESETS("a", ENDS("42", "20000"),
								 "42") "," C("b",
									     RUN) "," C("c",
											ENDS("0",
											     "1000")) "]");
	T_TRUE(nr_becomes(r, "p", STATUS(1) "ready", "true", 20));
	T_EQ_C(nr_of(r, "p", RESTARTING "type"), "AllContainersRestarting");
	T_EQ_C(nr_of(r, "p", RESTARTING "status"), "False");
	sp_str box = nr_of(r, "p", "status.podIP");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "restartCount", "1", 40));
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "p", STATUS(1) "ready", "true", 20));
	for (unsigned i = 0; i < 3; i++) {
		char path[80];
		(void)snprintf(path, sizeof path, "status.containerStatuses[%u].restartCount", i);
		T_EQ_C(nr_of(r, "p", path), "1");
		(void)snprintf(path, sizeof path, "status.containerStatuses[%u].lastState.terminated.reason",
			       i);
		T_EQ_C(nr_of(r, "p", path), "RestartingAllContainers");
	}
	T_EQ_C(nr_of(r, "p", "status.initContainerStatuses[0].restartCount"), "1");
	T_EQ_C(nr_of(r, "p", "status.initContainerStatuses[0].ready"), "true");
	T_EQ_C(nr_of(r, "p", RESTARTING "status"), "False");
	T_EQ_C(nr_of(r, "p", PHASE), "Running");
	T_EQ_STR(nr_of(r, "p", "status.podIP"), box); /* its sandbox is the same */
	/* In the runtime nothing is left of the lives before. */
	T_EQ_U64(fake_cri_starts(&r->cri, "p", "i"), 1);
	T_EQ_U64(fake_cri_starts(&r->cri, "p", "a"), 1);
	/* And again, with an agent that ends in the middle of it. */
	for (unsigned i = 0; i < 250; i++) {
		nr_run(r, SECOND / 10);
		if (fake_cri_running(&r->cri) < 2)
			break;
	}
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	T_TRUE(nr_becomes(r, "p", STATUS(0) "restartCount", "2", 40));
	T_TRUE(nr_becomes(r, "p", STATUS(1) "ready", "true", 20));
	T_EQ_C(nr_of(r, "p", STATUS(1) "restartCount"), "2");
	T_EQ_C(nr_of(r, "p", PHASE), "Running");
	nr_delete(r, "p");
	T_TRUE(nr_becomes(r, "p", PHASE, "-", 20));
	T_TRUE(r->cri.broken == NULL);
}

/* Another code than the rule's is an end like any other. */
SP_TEST(sim_node, another_code_ends)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p",
		"\"restartPolicy\":\"Never\",\"containers\":[" RESETS("a", ENDS("3", "500"), "42") "]");
	T_TRUE(nr_becomes(r, "p", PHASE, "Failed", 20));
	T_EQ_C(nr_of(r, "p", RESTARTING "status"), "False");
	T_EQ_C(nr_of(r, "p", RESTARTING "reason"), "PodFailed");
	T_TRUE(r->cri.broken == NULL);
}
