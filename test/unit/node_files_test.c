/* SPDX-License-Identifier: Apache-2.0 */
/* Files of pods on a real file system: versions that change at once, volumes, removal. */
#include "node/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "io/uv/uv.h"
#include "lib/t.h"
#include "node/atomic.h"
#include "node/cgroups.h"
#include "node/volumes.h"

static sp_world *new_world(void)
{
	sp_world *w = NULL;
	if (sp_world_uv_new(&w, T_ERR) == SP_OK)
		T_DEFER(sp_world_uv_free, w);
	return w;
}

static sp_str in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static sp_str content(sp_world *w, sp_str dir, const char *name)
{
	sp_str text, path = sp_arena_printf(T_ARENA, SP_FMT "/%s", SP_ARG(dir), name);
	/* Through the links, as a container reads it. */
	(void)w;
	FILE *f = path.ptr == NULL ? NULL : fopen(path.ptr, "r");
	if (f == NULL)
		return (sp_str){NULL, 0};
	char buf[256];
	size_t n = fread(buf, 1, sizeof buf, f);
	(void)fclose(f);
	text = sp_arena_try_dup(T_ARENA, (sp_str){buf, n});
	return text;
}

#define FILE_(path_, content_)                                                              \
	{                                                                                   \
		.path = SP_STR_INIT(path_), .content = SP_STR_INIT(content_), .mode = 0644, \
		.uid = SP_POD_FILES_SAME                                                    \
	}

SP_TEST(node_files, atomic)
{
	static const node_file one[] = {FILE_("a", "1"), FILE_("d/b", "2")};
	static const node_file two[] = {FILE_("a", "1"), FILE_("d/c", "3"), FILE_("e_tmp", "4"),
					FILE_("e", "5")};
	sp_world *w = new_world();
	T_TRUE(w != NULL);
	sp_pod_files *f = node_files();
	sp_str dir = in_tmp("vol"), target;
	bool changed;
	T_TRUE(dir.ptr != NULL);
	T_OK(f->make_dir(f, dir, 0755, (sp_pod_file_owner){SP_POD_FILES_SAME, SP_POD_FILES_SAME}, T_ERR));
	T_OK(node_atomic_write(w, f, dir, SP_STR("..v1"), one, 2, SP_POD_FILES_SAME, &changed, T_ERR));
	T_TRUE(changed);
	T_EQ_C(content(w, dir, "a"), "1");
	T_EQ_C(content(w, dir, "d/b"), "2");
	/* The same again is no change. */
	T_OK(node_atomic_write(w, f, dir, SP_STR("..v2"), one, 2, SP_POD_FILES_SAME, &changed, T_ERR));
	T_TRUE(!changed);
	T_OK(f->read_link(f, in_tmp("vol/..data"), T_ARENA, &target, T_ERR));
	T_EQ_C(target, "..v1");
	T_OK(node_atomic_write(w, f, dir, SP_STR("..v3"), two, 4, SP_POD_FILES_SAME, &changed, T_ERR));
	T_TRUE(changed);
	T_EQ_C(content(w, dir, "d/c"), "3");
	T_EQ_C(content(w, dir, "e_tmp"), "4");
	T_EQ_C(content(w, dir, "e"), "5");
	T_TRUE(content(w, dir, "d/b").ptr == NULL);
	sp_stat st;
	T_CODE(sp_path_stat(w, in_tmp("vol/..v1"), &st, T_ERR), SP_ENOTFOUND);
	/* Fewer files: names vanish too. */
	T_OK(node_atomic_write(w, f, dir, SP_STR("..v4"), one, 1, SP_POD_FILES_SAME, &changed, T_ERR));
	T_CODE(sp_path_stat(w, in_tmp("vol/d"), &st, T_ERR), SP_ENOTFOUND);
	T_EQ_C(content(w, dir, "a"), "1");
}

SP_TEST(node_files, paths)
{
	static const struct {
		const char *path;
		bool ok;
	} rows[] = {{"a", true}, {"a/b", true},  {"/a", false},   {"../a", false}, {"a/../b", false},
		    {"", false}, {"..a", false}, {"a//b", false}, {"a..b", true},  {"./a", false}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].path);
		T_EQ_I64(node_file_path_check(sp_str_c(rows[i].path), T_ERR) == SP_OK, rows[i].ok);
	}
}

SP_TEST(node_files, remove_and_check)
{
	sp_world *w = new_world();
	T_TRUE(w != NULL);
	sp_pod_files *f = node_files();
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_stat st;
	sp_err err = {0};
	T_OK(f->make_dir(f, in_tmp("t/a/b"), 0711, same, T_ERR));
	T_OK(sp_path_stat(w, in_tmp("t/a/b"), &st, T_ERR));
	T_EQ_I64(st.mode, 0711);
	T_OK(f->write(f, in_tmp("t/a/file"), SP_STR("x"), 0600, same, T_ERR));
	T_OK(f->link(f, SP_STR("/etc"), in_tmp("t/a/link"), T_ERR)); /* what it points to stays */
	T_OK(f->check(f, in_tmp("t/a"), SP_HOST_PATH_DIR, T_ERR));
	T_OK(f->check(f, in_tmp("t/new/dir"), SP_HOST_PATH_DIR_OR_CREATE, T_ERR));
	T_OK(f->check(f, in_tmp("t/none"), SP_HOST_PATH_ANY, T_ERR));
	T_CODE(f->check(f, in_tmp("t/a/file"), SP_HOST_PATH_DIR, &err), SP_EINVAL);
	T_TRUE(sp_str_ends(sp_str_c(err.msg), SP_STR("is not a directory")));
	T_CODE(f->check(f, in_tmp("t/a/file"), SP_HOST_PATH_SOCKET, &err), SP_EINVAL);
	T_OK(f->remove_tree(f, in_tmp("t"), T_ERR));
	T_CODE(sp_path_stat(w, in_tmp("t"), &st, T_ERR), SP_ENOTFOUND);
	T_OK(f->remove_tree(f, in_tmp("t"), T_ERR));
	T_CODE(f->remove_tree(f, SP_STR("/"), T_ERR), SP_EINVAL);
}

SP_TEST(node_files, tail)
{
	sp_pod_files *f = node_files();
	sp_str text;
	T_OK(f->write(f, in_tmp("f"), SP_STR("0123456789"), 0600,
		      (sp_pod_file_owner){SP_POD_FILES_SAME, SP_POD_FILES_SAME}, T_ERR));
	T_OK(f->read_tail(f, in_tmp("f"), 4, T_ARENA, &text, T_ERR));
	T_EQ_C(text, "6789");
	T_CODE(f->read_tail(f, in_tmp("none"), 4, T_ARENA, &text, T_ERR), SP_ENOTFOUND);
}

/* A sub-path may follow links inside its volume and never leads out of it. */
SP_TEST(node_files, sub_path)
{
	sp_pod_files *f = node_files();
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_world *w = new_world();
	sp_stat st;
	if (geteuid() != 0)
		t_skip("mounts need root");
	T_OK(f->make_dir(f, in_tmp("v/..one"), 0755, same, T_ERR));
	T_OK(f->write(f, in_tmp("v/..one/key"), SP_STR("in"), 0644, same, T_ERR));
	T_OK(f->link(f, SP_STR("..one"), in_tmp("v/..data"), T_ERR));
	T_OK(f->link(f, SP_STR("..data/key"), in_tmp("v/key"), T_ERR));
	T_OK(f->link(f, SP_STR("/etc"), in_tmp("v/out"), T_ERR));
	T_OK(f->link(f, SP_STR("../.."), in_tmp("v/up"), T_ERR));
	T_OK(f->sub_path(f, in_tmp("v"), SP_STR("key"), in_tmp("m/0"), T_ERR));
	T_EQ_C(content(w, in_tmp("m"), "0"), "in");
	T_OK(f->sub_path(f, in_tmp("v"), SP_STR("new/dir"), in_tmp("m/1"), T_ERR));
	T_OK(sp_path_stat(w, in_tmp("v/new/dir"), &st, T_ERR));
	T_TRUE(f->sub_path(f, in_tmp("v"), SP_STR("out/passwd"), in_tmp("m/2"), T_ERR) != SP_OK);
	T_TRUE(f->sub_path(f, in_tmp("v"), SP_STR("up"), in_tmp("m/3"), T_ERR) != SP_OK);
	T_TRUE(f->sub_path(f, in_tmp("v"), SP_STR("../x"), in_tmp("m/4"), T_ERR) != SP_OK);
	T_OK(f->remove_tree(f, in_tmp("m"), T_ERR));
	T_EQ_C(content(w, in_tmp("v"), "key"), "in"); /* what was bound stays */
}

/* In a volume that somebody else writes to, links are its own, and nothing leads out. */
SP_TEST(node_files, read_in)
{
	sp_pod_files *f = node_files();
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	static const struct {
		const char *path;
		sp_code code;
		const char *text;
	} rows[] = {
		{"d/env", SP_OK, "inside"},  {"up", SP_OK, "inside"},
		{"abs", SP_OK, "inside"},    {"../secret", SP_ENOTFOUND, NULL},
		{"out", SP_ENOTFOUND, NULL}, {"none", SP_ENOTFOUND, NULL},
		{"d", SP_EINVAL, NULL},      {"pipe", SP_EINVAL, NULL},
		{"big", SP_ETOOLARGE, NULL}, {"", SP_EINVAL, NULL},
	};
	T_OK(f->make_dir(f, in_tmp("v/d"), 0755, same, T_ERR));
	T_OK(f->write(f, in_tmp("secret"), SP_STR("outside"), 0644, same, T_ERR));
	T_OK(f->write(f, in_tmp("v/d/env"), SP_STR("inside"), 0644, same, T_ERR));
	T_OK(f->write(f, in_tmp("v/big"), SP_STR("0123456789"), 0644, same, T_ERR));
	T_OK(f->link(f, SP_STR("../../d/env"), in_tmp("v/up"), T_ERR));
	T_OK(f->link(f, SP_STR("/d/env"), in_tmp("v/abs"), T_ERR));
	T_OK(f->link(f, in_tmp("secret"), in_tmp("v/out"), T_ERR));
	T_TRUE(mkfifo(in_tmp("v/pipe").ptr, 0600) == 0);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str text = {NULL, 0};
		t_row("%s", rows[i].path);
		T_CODE(f->read_in(f, in_tmp("v"), sp_str_c(rows[i].path), 8, T_ARENA, &text, NULL),
		       rows[i].code);
		if (rows[i].text != NULL)
			T_EQ_C(text, rows[i].text);
	}
}

static bool has(const char *name, mode_t mode, gid_t gid)
{
	struct stat st;
	sp_str path = in_tmp(name);
	return lstat(path.ptr, &st) == 0 && (st.st_mode & 07777) == mode && st.st_gid == gid;
}

/* A whole volume for a group. U: pkg/volume/volume_linux_test.go. */
SP_TEST(node_files, own_tree)
{
	sp_pod_files *f = node_files();
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	if (geteuid() != 0)
		t_skip("a change of owners needs root");
	T_OK(f->make_dir(f, in_tmp("v/d/e"), 0700, same, T_ERR));
	T_OK(f->write(f, in_tmp("v/d/f"), SP_STR(""), 0600, same, T_ERR));
	T_OK(f->write(f, in_tmp("v/suid"), SP_STR(""), 04755, same, T_ERR));
	T_OK(f->write(f, in_tmp("out"), SP_STR(""), 0600, same, T_ERR));
	T_OK(f->link(f, in_tmp("out"), in_tmp("v/link"), T_ERR));
	T_TRUE(chmod(in_tmp("v").ptr, 0755) == 0);
	T_OK(f->own_tree(f, in_tmp("v"), &(sp_pod_tree_owner){.gid = 4242}, T_ERR));
	T_TRUE(has("v", 02775, 4242) && has("v/d", 02775, 4242) && has("v/d/e", 02770, 4242));
	T_TRUE(has("v/d/f", 0660, 4242));
	T_TRUE(has("v/suid", 04775, 4242));
	T_TRUE(has("v/link", 0777, 4242) && has("out", 0600, getegid()));
	/* The root is right: nothing else is looked at. */
	T_OK(f->write(f, in_tmp("v/new"), SP_STR(""), 0600, same, T_ERR));
	T_TRUE(chown(in_tmp("v/new").ptr, (uid_t)-1, 0) == 0);
	T_OK(f->own_tree(f, in_tmp("v"), &(sp_pod_tree_owner){.gid = 4242, .on_root_mismatch = true}, T_ERR));
	T_TRUE(has("v/new", 0600, 0));
	T_OK(f->own_tree(f, in_tmp("v"), &(sp_pod_tree_owner){.gid = 4242}, T_ERR));
	T_TRUE(has("v/new", 0660, 4242));
	T_OK(f->own_tree(f, in_tmp("v"), &(sp_pod_tree_owner){.gid = 77, .on_root_mismatch = true}, T_ERR));
	T_TRUE(has("v/new", 0660, 77) && has("v", 02775, 77));
	/* a root without the bits is none that is right */
	T_TRUE(chmod(in_tmp("v").ptr, 0775) == 0 && chmod(in_tmp("v/new").ptr, 0600) == 0);
	T_OK(f->own_tree(f, in_tmp("v"),
			 &(sp_pod_tree_owner){.gid = 77, .on_root_mismatch = true, .read_only = true},
			 T_ERR));
	T_TRUE(has("v/new", 0640, 77) && has("v", 02775, 77));
	T_TRUE(f->own_tree(f, in_tmp("none"), &(sp_pod_tree_owner){.gid = 77}, T_ERR) == SP_OK);
	T_TRUE(f->own_tree(f, SP_STR("rel"), &(sp_pod_tree_owner){.gid = 77}, T_ERR) == SP_EINVAL);
}

static sp_code make_volume(sp_world *w, const node_volume *v, int64_t fs_group)
{
	return node_volume_make(w, node_files(), v, fs_group, SP_STR("..1"), T_ERR);
}

/* What pods write to gets its owner once; what they made of it stays. */
SP_TEST(node_files, make_once)
{
	sp_pod_files *f = node_files();
	sp_world *w = new_world();
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	if (geteuid() != 0)
		t_skip("a change of owners needs root");
	node_volume empty = {.kind = NODE_VOLUME_EMPTY, .dir = in_tmp("pod/empty")},
		    memory = {.kind = NODE_VOLUME_MEMORY, .dir = in_tmp("pod/memory"), .size_bytes = 1 << 20},
		    local = {.kind = NODE_VOLUME_LOCAL,
			     .dir = in_tmp("disk"),
			     .owned_mark = in_tmp("pod/local")},
		    other = local;
	T_OK(make_volume(w, &empty, 4242));
	T_OK(make_volume(w, &memory, 4242));
	T_TRUE(has("pod/empty", 02777, 4242) && has("pod/memory", 02777, 4242));
	T_TRUE(chmod(in_tmp("pod/empty").ptr, 0700) == 0 && chmod(in_tmp("pod/memory").ptr, 0700) == 0);
	T_OK(make_volume(w, &empty, 4242));
	T_OK(make_volume(w, &memory, 4242));
	T_TRUE(has("pod/empty", 0700, 4242) && has("pod/memory", 0700, 4242));
	T_OK(f->remove_tree(f, in_tmp("pod/memory"), T_ERR));
	/* a local volume: the first pod's group */
	T_OK(f->write(f, in_tmp("disk/data"), SP_STR(""), 0600, same, T_ERR));
	T_OK(make_volume(w, &local, -1));
	T_TRUE(has("disk/data", 0600, 0));
	T_OK(make_volume(w, &local, 4242));
	T_TRUE(has("disk/data", 0660, 4242) && has("disk", 02775, 4242));
	T_TRUE(chmod(in_tmp("disk/data").ptr, 0600) == 0);
	T_OK(make_volume(w, &local, 4242));
	T_TRUE(has("disk/data", 0600, 4242));
	other.owned_mark = in_tmp("pod2/local");
	other.is_shared = true;
	T_OK(make_volume(w, &other, 77));
	T_TRUE(has("disk/data", 0600, 4242));
	other.owned_mark = in_tmp("pod3/local");
	other.is_shared = false;
	other.plain_read_only = true;
	T_OK(make_volume(w, &other, 77));
	T_TRUE(has("disk/data", 0600, 4242));
	other.plain_read_only = false;
	T_OK(make_volume(w, &other, 77));
	T_TRUE(has("disk/data", 0660, 77));
	local.dir = in_tmp("no disk");
	T_CODE(make_volume(w, &local, 77), SP_ENOTFOUND);
}

/* ---- the plan of volumes ---- */

static sp_str get_object(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	(void)arg, (void)ns;
	if (kind == NODE_REF_CONFIG_MAP && sp_str_eq(name, SP_STR("cm")))
		return SP_STR("{\"data\":{\"k\":\"v\",\"l\":\"w\"},\"binaryData\":{\"b\":\"AQI=\"}}");
	if (kind == NODE_REF_SECRET && sp_str_eq(name, SP_STR("sec")))
		return SP_STR("{\"data\":{\"pw\":\"czNjcmV0\"}}");
	return (sp_str){NULL, 0};
}
static sp_str get_token(void *arg, sp_str audience, int64_t expiration_s)
{
	(void)arg;
	return sp_str_eq(audience, SP_STR("late"))
		       ? (sp_str){NULL, 0}
		       : sp_arena_printf(T_ARENA, "tok-" SP_FMT "-%lld", SP_ARG(audience),
					 (long long)expiration_s);
}

static node_claim_kind claim_kind;

static const node_claim_found *get_claim(void *arg, sp_str volume)
{
	static node_claim_found found;
	(void)arg;
	found = (node_claim_found){.volume = SP_STR("pv"),
				   .kind = claim_kind,
				   .path = SP_STR("/data"),
				   .type = SP_STR("Directory"),
				   .driver = SP_STR("d.io")};
	return sp_str_eq(volume, SP_STR("v")) ? &found : NULL;
}

/* "kind dir file=content:mode,… " of the first volume, or the error. */
static sp_str print_plan(const char *volume, const char *security)
{
	SP_AUTO_BUF out;
	node_pod *p;
	node_volumes plan;
	sp_err err = {0};
	static const char *const kinds[] = {"empty", "memory", "host", "local", "made", "files", "none"};
	sp_buf_init(&out, 1 << 16);
	sp_str json = sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},"
				      "\"spec\":{\"securityContext\":{%s},"
				      "\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",%s}]}}",
				      security, volume);
	if (json.ptr == NULL || node_pod_parse(json, &p, &err) != SP_OK)
		return SP_STR("no pod");
	T_DEFER(node_pod_free, p);
	node_field_source fields = {.pod = p, .memory_bytes = 4096};
	node_objects objects = {.get = get_object};
	node_tokens tokens = {.get = get_token};
	node_volume_input in = {.fields = &fields,
				.objects = &objects,
				.tokens = &tokens,
				.root = SP_STR("/r"),
				.claim = get_claim};
	if (node_volumes_plan(&in, T_ARENA, &plan, &err) != SP_OK)
		return sp_arena_printf(T_ARENA, SP_FMT ": %s",
				       SP_ARG(plan.failed == NULL ? SP_STR("-") : plan.failed->name),
				       err.msg);
	const node_volume *v = &plan.at[0];
	(void)sp_buf_printf(&out, "%s " SP_FMT, kinds[v->kind], SP_ARG(v->dir));
	for (size_t i = 0; i < v->n_files; i++)
		(void)sp_buf_printf(&out, " " SP_FMT "=" SP_FMT ":%o", SP_ARG(v->files[i].path),
				    SP_ARG(v->files[i].content), v->files[i].mode);
	if (v->size_bytes != 0)
		(void)sp_buf_printf(&out, " size %llu", (unsigned long long)v->size_bytes);
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(node_files, plan_claim)
{
	static const struct {
		node_claim_kind kind;
		const char *want;
	} rows[] = {
		{NODE_CLAIM_HOST_PATH, "host /data"},
		{NODE_CLAIM_LOCAL, "local /data"},
		{NODE_CLAIM_DIRECTORY, "made /data"},
		{NODE_CLAIM_CSI,
		 "v: kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name d.io "
		 "not found in the list of registered CSI drivers"},
		{NODE_CLAIM_OTHER, "v: no volume plugin matched"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		claim_kind = rows[i].kind;
		T_EQ_C(print_plan("\"persistentVolumeClaim\":{\"claimName\":\"c\"}", ""), rows[i].want);
		T_EQ_C(print_plan("\"ephemeral\":{}", ""), rows[i].want);
	}
}

SP_TEST(node_files, plan)
{
	static const struct {
		const char *volume, *security, *want;
	} rows[] = {
		{"\"emptyDir\":{}", "", "empty /r/pods/u/volumes/kubernetes.io~empty-dir/v"},
		{"\"emptyDir\":{\"medium\":\"Memory\"}", "",
		 "memory /r/pods/u/volumes/kubernetes.io~empty-dir/v size 4096"},
		{"\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Mi\"}", "",
		 "memory /r/pods/u/volumes/kubernetes.io~empty-dir/v size 1048576"},
		{"\"hostPath\":{\"path\":\"/x\",\"type\":\"Directory\"}", "", "host /x"},
		{"\"configMap\":{\"name\":\"cm\"}", "",
		 "files /r/pods/u/volumes/kubernetes.io~configmap/v k=v:644 l=w:644 b=\x01\x02:644"},
		{"\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"d/x\",\"mode\":256}]}",
		 "", "files /r/pods/u/volumes/kubernetes.io~configmap/v d/x=v:400"},
		{"\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"no\",\"path\":\"x\"}]}", "",
		 "v: references non-existent config key: no"},
		{"\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"../x\"}]}", "",
		 "v: invalid path: must not start with '..': ../x"},
		{"\"configMap\":{\"name\":\"no\"}", "", "v: configmap \"no\" not found"},
		{"\"configMap\":{\"name\":\"no\",\"optional\":true}", "",
		 "files /r/pods/u/volumes/kubernetes.io~configmap/v"},
		{"\"secret\":{\"secretName\":\"sec\",\"defaultMode\":288}", "",
		 "files /r/pods/u/volumes/kubernetes.io~secret/v pw=s3cret:440"},
		{"\"secret\":{\"secretName\":\"no\"}", "", "v: secret \"no\" not found"},
		{"\"downwardAPI\":{\"items\":[{\"path\":\"n\",\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}"
		 "]}",
		 "", "files /r/pods/u/volumes/kubernetes.io~downward-api/v n=p:644"},
		{"\"projected\":{\"defaultMode\":420,\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\","
		 "\"audience\":\"a\"}},"
		 "{\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"k\"}]}}]}",
		 "", "files /r/pods/u/volumes/kubernetes.io~projected/v t=tok-a-3600:644 k=v:644"},
		{"\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\",\"expirationSeconds\":"
		 "700}}]}",
		 "\"fsGroup\":5", "files /r/pods/u/volumes/kubernetes.io~projected/v t=tok--700:600"},
		{"\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\",\"audience\":\"late\"}"
		 "}]}",
		 "", "v: failed to fetch token: not there yet"},
		{"\"nfs\":{\"server\":\"x\",\"path\":\"/\"}", "", "v: no volume plugin matched"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].volume);
		T_EQ_C(print_plan(rows[i].volume, rows[i].security), rows[i].want);
	}
}

/* ---- cgroups, in trees of plain files ---- */

static void make_tree(const char *const *files, size_t n)
{
	sp_pod_files *f = node_files();
	for (size_t i = 0; i < n; i++)
		(void)!f->write(f, in_tmp(files[i]), SP_STR(""), 0600,
				(sp_pod_file_owner){SP_POD_FILES_SAME, SP_POD_FILES_SAME}, NULL);
}

SP_TEST(node_files, cgroups)
{
	static const char *const v1[] = {"v1/cpu/kp/podx/cpu.shares", "v1/cpu/kp/podx/cpu.cfs_quota_us",
					 "v1/cpu/kp/podx/cpu.cfs_period_us",
					 "v1/memory/kp/podx/memory.limit_in_bytes", "v1/pids/kp/none"};
	static const char *const v2[] = {"v2/cgroup.controllers", "v2/kp/cgroup.subtree_control",
					 "v2/kp/podx/cpu.weight", "v2/kp/podx/cpu.max",
					 "v2/kp/podx/memory.max"};
	const sp_pod_cgroup limits = {
		.cpu_shares = 512, .cpu_quota_us = 50000, .cpu_period_us = 100000, .memory_bytes = 64 << 20};
	sp_world *w = new_world();
	sp_stat st;
	make_tree(v1, SP_LEN(v1));
	make_tree(v2, SP_LEN(v2));
	T_OK(node_cgroup_set(in_tmp("v1"), SP_STR("/kp/podx"), &limits, T_ERR));
	T_EQ_C(content(w, in_tmp("v1"), "cpu/kp/podx/cpu.shares"), "512");
	T_EQ_C(content(w, in_tmp("v1"), "cpu/kp/podx/cpu.cfs_quota_us"), "50000");
	T_EQ_C(content(w, in_tmp("v1"), "memory/kp/podx/memory.limit_in_bytes"), "67108864");
	T_OK(node_cgroup_set(in_tmp("v2"), SP_STR("/kp/podx"), &limits, T_ERR));
	T_EQ_C(content(w, in_tmp("v2"), "kp/podx/cpu.weight"), "20");
	T_EQ_C(content(w, in_tmp("v2"), "kp/podx/cpu.max"), "50000 100000");
	T_EQ_C(content(w, in_tmp("v2"), "kp/podx/memory.max"), "67108864");
	T_EQ_C(content(w, in_tmp("v2"), "kp/cgroup.subtree_control"), "+cpu +memory +pids");
	/* New ones are made in both; without files in them they can go. */
	T_OK(node_cgroup_set(in_tmp("v1"), SP_STR("/kp/b/pody"), &limits, T_ERR));
	T_OK(sp_path_stat(w, in_tmp("v1/memory/kp/b/pody"), &st, T_ERR));
	T_OK(node_cgroup_remove(in_tmp("v1"), SP_STR("/kp/b/pody"), T_ERR));
	T_CODE(sp_path_stat(w, in_tmp("v1/memory/kp/b/pody"), &st, T_ERR), SP_ENOTFOUND);
	T_CODE(sp_path_stat(w, in_tmp("v1/cpu/kp/b/pody"), &st, T_ERR), SP_ENOTFOUND);
	T_OK(node_cgroup_remove(in_tmp("v2"), SP_STR("/kp/none"), T_ERR));
	T_CODE(node_cgroup_set(in_tmp("v1"), SP_STR("/../x"), &limits, T_ERR), SP_EINVAL);
	T_EQ_U64(node_cpu_weight(2), 1);
	T_EQ_U64(node_cpu_weight(1024), 39);
	T_EQ_U64(node_cpu_weight(262144), 10000);
}

/* ---- what directories take ---- */

static void put_bytes(sp_world *w, const char *name, size_t n)
{
	SP_AUTO_FILE f = NULL;
	char *bytes = sp_new(T_ARENA, char, n);
	memset(bytes, 'x', n);
	if (sp_file_open(w, in_tmp(name), SP_FILE_WRITE | SP_FILE_CREATE, 0600, &f, T_ERR) != SP_OK ||
	    sp_file_append(f, bytes, n, T_ERR) != SP_OK || sp_file_sync(f, false, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "%s: %s", name, T_ERR->msg);
}

SP_TEST(node_files, usage)
{
	sp_pod_files *f = node_files();
	sp_world *w = new_world();
	sp_pod_usage u, more;
	T_TRUE(w != NULL);
	T_CODE(f->usage(f, in_tmp("none"), &u, T_ERR), SP_ENOTFOUND);
	T_CODE(f->usage(f, SP_STR("relative"), &u, T_ERR), SP_EINVAL);
	T_OK(sp_dir_make(w, in_tmp("u/a/b"), 0755, T_ERR));
	T_OK(f->usage(f, in_tmp("u"), &u, T_ERR));
	T_EQ_U64(u.inodes, 3);
	put_bytes(w, "u/a/one", 100000);
	put_bytes(w, "u/a/b/two", 50000);
	T_OK(f->usage(f, in_tmp("u"), &more, T_ERR));
	T_EQ_U64(more.inodes, 5);
	T_TRUE(more.bytes >= u.bytes + 150000 && more.bytes < u.bytes + 200000);
	/* Other names of a file, and links, take nothing of it; holes neither. */
	u = more;
	T_TRUE(link(in_tmp("u/a/one").ptr, in_tmp("u/a/b/again").ptr) == 0);
	T_TRUE(symlink("/", in_tmp("u/link").ptr) == 0);
	T_OK(f->usage(f, in_tmp("u"), &more, T_ERR));
	T_EQ_U64(more.inodes, 6);
	T_TRUE(more.bytes < u.bytes + 10000);
	SP_AUTO_FILE hole = NULL;
	T_OK(sp_file_open(w, in_tmp("u/hole"), SP_FILE_WRITE | SP_FILE_CREATE, 0600, &hole, T_ERR));
	T_OK(sp_file_truncate(hole, UINT64_C(1) << 30, T_ERR));
	T_OK(f->usage(f, in_tmp("u"), &more, T_ERR));
	T_TRUE(more.bytes < u.bytes + 20000);
	/* A file alone. */
	T_OK(f->usage(f, in_tmp("u/a/one"), &u, T_ERR));
	T_EQ_U64(u.inodes, 1);
	T_TRUE(u.bytes >= 100000);
}
