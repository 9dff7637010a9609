/* SPDX-License-Identifier: Apache-2.0 */
/* CreateContainer, RemoveContainer. U: containerd pkg/cri/server/container_create.go, container_remove.go. */
#include "io/file.h"
#include "runtime/rt_int.h"
#include "runtime/spec.h"

#define CONFIG_BYTES ((size_t)4 << 20) /* one ttrpc message */
#define MOUNTS_MAX 1024u
#define PROFILE_BYTES ((size_t)1 << 20)

typedef struct making {
	image_config image; /* a copy */
	sp_str image_id;
	sp_str passwd, group;
	sp_host_rootfs_mount *mount;
	sp_strs volumes;        /* of the image, which no mount is at */
	sp_str *volume_sources; /* their directories */
	rt_mount *mounts;
	sp_str *image_paths; /* of mounts that are images; see image_mounts.c */
	rt_device *devices;
	size_t n_mounts, n_devices;
	rt_spec spec;
	rt_container_record rec;
} making;

static const sp_cri_linux_container_security_context *security(const sp_cri_container_config *c)
{
	return c->linux_ == NULL ? NULL : c->linux_->security_context;
}

/* ---- the beginning ---- */

static sp_code copy_list(sp_arena *a, sp_strs from, sp_strs *ret, sp_err *err)
{
	sp_str *items = sp_try_new(a, sp_str, from.n + 1);
	for (size_t i = 0; items != NULL && i < from.n; i++)
		items[i] = sp_arena_try_dup(a, from.items[i]);
	*ret = (sp_strs){items, from.n};
	return items != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for the image's configuration");
}

/* What outlives this callback of an image. */
static sp_code copy_image(sp_arena *a, const image *img, making *m, sp_err *err)
{
	m->image.user = sp_arena_try_dup(a, img->config.user);
	m->image.working_dir = sp_arena_try_dup(a, img->config.working_dir);
	m->image.stop_signal = sp_arena_try_dup(a, img->config.stop_signal);
	m->image_id = sp_arena_try_dup(a, img->id);
	SP_TRY(copy_list(a, img->config.env, &m->image.env, err));
	SP_TRY(copy_list(a, img->config.entrypoint, &m->image.entrypoint, err));
	SP_TRY(copy_list(a, img->config.volumes, &m->image.volumes, err));
	return copy_list(a, img->config.cmd, &m->image.cmd, err);
}

static sp_code check(const sp_cri_create_container_request *q, const rt_sandbox *s, sp_err *err)
{
	const sp_cri_container_config *c = q->config;
	if (c == NULL || c->metadata == NULL)
		return sp_fail(err, SP_EINVAL, "container config must include metadata");
	if (c->image == NULL)
		return sp_fail(err, SP_EINVAL, "container config must include an image");
	if (s->rec.phase != RT_SANDBOX_READY || s->stopping)
		return sp_fail(err, SP_ECONFLICT, "sandbox container \"" SP_FMT "\" is not running",
			       SP_ARG(s->rec.id));
	const sp_cri_linux_container_security_context *sc = security(c);
	const sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	if (sc != NULL && sc->privileged &&
	    (l == NULL || l->security_context == NULL || !l->security_context->privileged))
		return sp_fail(err, SP_EINVAL, "no privileged container allowed in sandbox");
	if (c->mounts.n > MOUNTS_MAX)
		return sp_fail(err, SP_EINVAL, "more than %u mounts", MOUNTS_MAX);
	for (size_t i = 0; i < c->mounts.n; i++) {
		const sp_cri_mount *m = &c->mounts.at[i];
		if (m->container_path.len == 0 || m->container_path.ptr[0] != '/')
			return sp_fail(err, SP_EINVAL, "mount point '" SP_FMT "' is not absolute",
				       SP_ARG(m->container_path));
		SP_TRY(rt_image_mount_check(m, err));
		if (m->recursive_read_only && (!m->readonly || m->propagation != SP_CRI_PROPAGATION_PRIVATE))
			return sp_fail(err, SP_EINVAL,
				       "recursive_read_only needs readonly and private propagation");
	}
	return rt_spec_check_capabilities(sc, err);
}

static sp_code begin(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	rt_sandbox *s;
	making *m = sp_new(&j->arena, making, 1);
	j->data = m;
	SP_TRY(rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err));
	rt_job_set_sandbox(j, s);
	SP_TRY(check(q, s, err));
	const image *img = image_find(j->r->opts->images, q->config->image->image);
	if (img == NULL)
		return sp_fail(err, SP_ENOTFOUND, "failed to resolve image \"" SP_FMT "\": not found",
			       SP_ARG(q->config->image->image));
	SP_TRY(copy_image(&j->arena, img, m, err));
	SP_TRY(rt_spec_apparmor(security(q->config), j->r->has_apparmor, &m->spec.apparmor, err));
	SP_TRY(rt_spec_volumes(&m->image, q->config, &j->arena, &m->volumes, err));
	m->rec = (rt_container_record){.id = rt_new_id(j->r, &j->arena),
				       .sandbox_id = s->rec.id,
				       .config = q->config,
				       .image_id = m->image_id,
				       .created_at = sp_wall_ns(j->r->world),
				       .state = SP_CRI_CONTAINER_UNKNOWN};
	return rt_stop_signal(q->config->stop_signal, m->image.stop_signal, &m->rec.stop_signal, err);
}

/* ---- the root filesystem ---- */

static sp_code on_mounted(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_users *users = response;
	making *m = j->data;
	(void)err;
	m->passwd = sp_arena_try_dup(&j->arena, users->passwd);
	m->group = sp_arena_try_dup(&j->arena, users->group);
	return SP_OK;
}

static void on_prepared(void *arg, sp_code code, const image_rootfs *fs, const sp_err *err)
{
	rt_job *j = arg;
	making *m = j->data;
	if (code == SP_OK) {
		sp_host_rootfs_mount *q = sp_new(&j->arena, sp_host_rootfs_mount, 1);
		sp_str *lower = sp_new(&j->arena, sp_str, fs->lower.n + 1);
		for (size_t i = 0; i < fs->lower.n; i++)
			lower[i] = sp_arena_try_dup(&j->arena, fs->lower.items[i]);
		*q = (sp_host_rootfs_mount){.id = m->rec.id,
					    .snapshots_dir = sp_arena_try_dup(&j->arena, fs->snapshots_dir),
					    .upper = sp_arena_try_dup(&j->arena, fs->upper),
					    .work = sp_arena_try_dup(&j->arena, fs->work),
					    .user_xattr = fs->user_xattr};
		const sp_cri_user_namespace *users = rt_sandbox_users(j->sandbox);
		if (users != NULL) {
			q->users_of = j->sandbox->rec.id;
			q->uid = users->uids.at[0].host_id;
			q->gid = users->gids.at[0].host_id;
		}
		q->lower.at = lower;
		q->lower.n = fs->lower.n;
		m->mount = q;
	}
	rt_job_resume(j, code == SP_OK ? NULL : err);
}

static sp_code prepare(rt_job *j, sp_err *err)
{
	making *m = j->data;
	(void)err;
	rt_job_wait(j);
	image_rootfs_prepare(j->r->opts->images, m->image_id, m->rec.id, on_prepared, j);
	return SP_OK;
}

static sp_code mount(rt_job *j, sp_err *err)
{
	const making *m = j->data;
	(void)err;
	return rt_job_host(j, SP_HOST_ROOTFS_MOUNT, m->mount, on_mounted);
}

static sp_code mount_images(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	(void)err;
	m->image_paths = sp_new(&j->arena, sp_str, q->config->mounts.n + 1);
	if (rt_has_image_mounts(q->config))
		rt_job_part(j,
			    rt_image_mounts_job(j->sandbox, m->rec.id, q->config, &j->arena, m->image_paths));
	return SP_OK;
}

static sp_code on_volume(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_image_mounted *r = response;
	making *m = j->data;
	sp_str source = sp_arena_try_dup(&j->arena, r->path);
	m->volume_sources[j->i++] = source;
	return source.len > 0 ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for a volume of the image");
}

static sp_code make_volumes(rt_job *j, sp_err *err)
{
	making *m = j->data;
	(void)err;
	if (j->i == 0)
		m->volume_sources = sp_new(&j->arena, sp_str, m->volumes.n + 1);
	if (j->i >= m->volumes.n) {
		j->i = 0;
		return SP_OK;
	}
	j->steps--; /* once more for the next one */
	const sp_host_image_volume ask = {
		.view = m->mount, .number = (uint32_t)j->i, .path = m->volumes.items[j->i]};
	return rt_job_host(j, SP_HOST_IMAGE_VOLUME, &ask, on_volume);
}

/* ---- paths of the host ---- */

static sp_code check_propagation(const sp_cri_mount *m, const sp_host_path_found *found, sp_err *err)
{
	if (m->propagation == SP_CRI_PROPAGATION_BIDIRECTIONAL && !found->shared)
		return sp_fail(err, SP_EINVAL,
			       "path \"" SP_FMT "\" is mounted on \"" SP_FMT
			       "\" but it is not a shared mount",
			       SP_ARG(m->host_path), SP_ARG(found->path));
	if (m->propagation == SP_CRI_PROPAGATION_HOST_TO_CONTAINER && !found->shared && !found->master)
		return sp_fail(err, SP_EINVAL,
			       "path \"" SP_FMT "\" is mounted on \"" SP_FMT
			       "\" but it is not a shared or slave mount",
			       SP_ARG(m->host_path), SP_ARG(found->path));
	return SP_OK;
}

static sp_code on_mount_path(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_path_found *found = response;
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	const sp_cri_mount *cri = &q->config->mounts.at[j->i++];
	SP_TRY(check_propagation(cri, found, err));
	m->mounts[m->n_mounts++] = (rt_mount){.cri = cri, .source = sp_arena_try_dup(&j->arena, found->path)};
	return SP_OK;
}

/* Their files have the ids they are to have, and nobody else sees them. */
static void add_volumes(rt_job *j, making *m)
{
	for (size_t i = 0; i < m->volumes.n; i++) {
		sp_cri_mount *cri = sp_new(&j->arena, sp_cri_mount, 1);
		cri->container_path = m->volumes.items[i];
		m->mounts[m->n_mounts++] = (rt_mount){.cri = cri, .source = m->volume_sources[i]};
	}
}

static sp_code resolve_mounts(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	(void)err;
	if (j->i == 0)
		m->mounts = sp_new(&j->arena, rt_mount, q->config->mounts.n + m->volumes.n + 1);
	if (j->i >= q->config->mounts.n) {
		add_volumes(j, m);
		j->i = 0;
		return SP_OK;
	}
	j->steps--; /* once more for the next one */
	const sp_cri_mount *cri = &q->config->mounts.at[j->i];
	const sp_host_path ask = {.path = cri->image != NULL ? m->image_paths[j->i] : cri->host_path,
				  .make = cri->image == NULL};
	return rt_job_host(j, SP_HOST_PATH, &ask, on_mount_path);
}

/* Volumes that kubelet wants with the pod's ids; images have them already. */
static sp_code map_mounts(rt_job *j, sp_err *err)
{
	making *m = j->data;
	(void)err;
	while (j->i < m->n_mounts &&
	       (m->mounts[j->i].cri->uid_mappings.n == 0 || m->mounts[j->i].cri->image != NULL))
		j->i++;
	if (j->i >= m->n_mounts || rt_sandbox_users(j->sandbox) == NULL) {
		j->i = 0;
		return SP_OK;
	}
	char name[32];
	(void)snprintf(name, sizeof name, "/mounts/%zu", j->i);
	const sp_host_volume ask = {.id = m->rec.id,
				    .users_of = j->sandbox->rec.id,
				    .path = m->mounts[j->i].source,
				    .index = (uint32_t)j->i,
				    .recursive = true};
	m->mounts[j->i].source = rt_path(j->r, &j->arena, "containers", m->rec.id, name);
	j->i++;
	j->steps--;
	return rt_job_host(j, SP_HOST_VOLUME, &ask, NULL);
}

static rt_device device_of(const sp_host_path_found *found, sp_str path, sp_str permissions)
{
	return (rt_device){.path = path,
			   .type = sp_str_eq(found->type, SP_STR("c")) ? SP_STR("c") : SP_STR("b"),
			   .major = found->major,
			   .minor = found->minor,
			   .mode = found->mode,
			   .uid = found->uid,
			   .gid = found->gid,
			   .permissions = permissions};
}

static sp_code on_device_path(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_path_found *found = response;
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	const sp_cri_device *d = &q->config->devices.at[j->i++];
	if (found->type.len == 0)
		return sp_fail(err, SP_EINVAL, "\"" SP_FMT "\" is not a device node", SP_ARG(d->host_path));
	m->devices[m->n_devices++] = device_of(found, d->container_path, d->permissions);
	return SP_OK;
}

static sp_code resolve_devices(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	(void)err;
	if (j->i == 0)
		m->devices = sp_new(&j->arena, rt_device, q->config->devices.n + 1);
	if (j->i >= q->config->devices.n)
		return SP_OK;
	j->steps--;
	const sp_host_path ask = {.path = q->config->devices.at[j->i].host_path};
	return rt_job_host(j, SP_HOST_PATH, &ask, on_device_path);
}

/* Where the request has one of its own, that is the one. */
static sp_code on_host_devices(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_devices *found = response;
	making *m = j->data;
	size_t n_asked = m->n_devices;
	rt_device *all = sp_try_new(&j->arena, rt_device, n_asked + found->devices.n + 1);
	if (all == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the devices");
	memcpy(all, m->devices, n_asked * sizeof *all);
	m->devices = all;
	for (size_t i = 0; i < found->devices.n; i++) {
		const sp_host_path_found *d = &found->devices.at[i];
		size_t k = 0;
		while (k < n_asked && !sp_str_eq(all[k].path, d->path))
			k++;
		if (k == n_asked)
			all[m->n_devices++] =
				device_of(d, sp_arena_try_dup(&j->arena, d->path), SP_STR("rwm"));
	}
	return SP_OK;
}

/* U: containerd, WithHostDevices for privileged containers. */
static sp_code host_devices(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	const sp_cri_linux_container_security_context *sc = security(q->config);
	const making *m = j->data;
	const sp_host_id ask = {.id = m->rec.id};
	(void)err;
	return sc != NULL && sc->privileged ? rt_job_host(j, SP_HOST_DEVICES, &ask, on_host_devices) : SP_OK;
}

/* ---- seccomp ---- */

/* NULL: unconfined. The deprecated path is not looked at. */
static const sp_cri_security_profile *seccomp_of(const sp_cri_container_config *c)
{
	const sp_cri_linux_container_security_context *sc = security(c);
	return sc == NULL || sc->privileged ? NULL : sc->seccomp;
}

static sp_code on_profile(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_path_found *found = response;
	making *m = j->data;
	m->spec.seccomp = sp_arena_try_dup(&j->arena, found->content);
	return m->spec.seccomp.len > 0 ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for a seccomp profile");
}

static sp_code load_profile(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	const sp_cri_security_profile *p = seccomp_of(q->config);
	if (p == NULL || p->profile_type == SP_CRI_PROFILE_UNCONFINED)
		return SP_OK;
	if (p->profile_type == SP_CRI_PROFILE_LOCALHOST) {
		const sp_host_path ask = {.path = p->localhost_ref, .read = true};
		return rt_job_host(j, SP_HOST_PATH, &ask, on_profile);
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, PROFILE_BYTES);
	rt_spec_default_seccomp(rt_spec_effective(security(q->config), j->r->caps), &out);
	m->spec.seccomp = sp_arena_try_dup(&j->arena, sp_buf_view(&out));
	return m->spec.seccomp.len > 0 ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for a seccomp profile");
}

static sp_code check_profile(rt_job *j, sp_err *err)
{
	making *m = j->data;
	yyjson_val *v;
	/* It becomes a part of config.json: so it must be one value. */
	if (m->spec.seccomp.len > 0 && sp_json_parse(&j->arena, m->spec.seccomp, &v, err) != SP_OK)
		return sp_wrap(err, "seccomp profile");
	return SP_OK;
}

/* ---- config.json ---- */

/* Who says nothing gets one of its own: the pod's needs a process more. */
static int32_t pid_mode(const sp_cri_create_container_request *q)
{
	const sp_cri_linux_container_security_context *sc = security(q->config);
	const sp_cri_namespace_option *o = sc == NULL ? NULL : sc->namespace_options;
	return o == NULL ? SP_CRI_NAMESPACE_CONTAINER : o->pid;
}

static sp_code need_pids(rt_job *j, sp_err *err)
{
	const sp_host_id q = {.id = j->sandbox->rec.id};
	(void)err;
	return pid_mode(j->request) == SP_CRI_NAMESPACE_POD ? rt_job_host(j, SP_HOST_PIDS_MAKE, &q, NULL)
							    : SP_OK;
}

static sp_code pid_namespace(rt_job *j, rt_spec *spec, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	const sp_cri_linux_container_security_context *sc = security(q->config);
	const sp_cri_namespace_option *o = sc == NULL ? NULL : sc->namespace_options;
	int32_t mode = pid_mode(q);
	rt_container *target;
	if (mode == SP_CRI_NAMESPACE_TARGET) {
		SP_TRY(rt_need_container(j->r, o->target_id, &target, err));
		if (target->sandbox != j->sandbox || target->rec.state != SP_CRI_CONTAINER_RUNNING)
			return sp_fail(err, SP_EINVAL,
				       "target container \"" SP_FMT "\" is not running in this pod",
				       SP_ARG(o->target_id));
		spec->pid = sp_arena_printf(&j->arena, "/proc/%u/ns/pid", target->rec.pid);
		return SP_OK;
	}
	if (mode == SP_CRI_NAMESPACE_POD)
		spec->pid = rt_path(j->r, &j->arena, "sandboxes", j->sandbox->rec.id, "/ns/pid");
	spec->own_pids = mode == SP_CRI_NAMESPACE_CONTAINER;
	return SP_OK;
}

static void sandbox_files(rt_job *j, rt_spec *spec)
{
	rt_sandbox *s = j->sandbox;
	sp_str id = s->rec.id;
	sp_arena *a = &j->arena;
	spec->hostname = rt_path(j->r, a, "sandboxes", id, "/hostname");
	spec->hosts = rt_path(j->r, a, "sandboxes", id, "/hosts");
	spec->resolv = rt_path(j->r, a, "sandboxes", id, "/resolv.conf");
	spec->users = rt_sandbox_users(s);
	if (spec->users != NULL)
		spec->user_ns = rt_path(j->r, a, "sandboxes", id, "/ns/user");
	if (rt_sandbox_has_ipc(s)) {
		spec->shm = rt_path(j->r, a, "sandboxes", id, "/shm");
		spec->ipc = rt_path(j->r, a, "sandboxes", id, "/ns/ipc");
	}
	if (rt_sandbox_has_net(s)) {
		spec->net = rt_path(j->r, a, "sandboxes", id, "/ns/net");
		spec->uts = rt_path(j->r, a, "sandboxes", id, "/ns/uts");
		spec->hostname_text = s->rec.config->hostname;
	}
}

static sp_str cgroup_of(rt_job *j, const making *m)
{
	const sp_cri_linux_pod_sandbox_config *l = j->sandbox->rec.config->linux_;
	sp_str parent = l != NULL && l->cgroup_parent.len > 0 ? l->cgroup_parent : j->r->opts->cgroup_root;
	return SP_CONCAT(&j->arena, parent, SP_STR("/"), m->rec.id);
}

/* What commands in the container will run with. */
static sp_code keep_process(rt_job *j, making *m, sp_err *err)
{
	sp_strs env = rt_spec_env(&m->spec, &j->arena);
	sp_str *copy = sp_new(&j->arena, sp_str, env.n + 1);
	SP_AUTO_BUF rest;
	sp_buf_init(&rest, CONFIG_BYTES);
	rt_spec_process(&m->spec, &rest);
	for (size_t i = 0; i < env.n; i++)
		copy[i] = env.items[i];
	m->rec.env.at = copy;
	m->rec.env.n = env.n;
	m->rec.process = sp_arena_try_dup(&j->arena, sp_buf_view(&rest));
	if (sp_buf_code(&rest) != SP_OK || m->rec.process.len != rest.len)
		return sp_fail(err, SP_ETOOLARGE, "the container's process is too large");
	return SP_OK;
}

static sp_code write_bundle(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	rt_spec *spec = &m->spec;
	const sp_host_users users = {.passwd = m->passwd, .group = m->group};
	spec->id = m->rec.id;
	spec->sandbox_id = m->rec.sandbox_id;
	spec->config = q->config;
	spec->caps = j->r->caps;
	spec->counts_huge = j->r->counts_huge;
	spec->sandbox = j->sandbox->rec.config;
	spec->image = &m->image;
	spec->mounts = m->mounts;
	spec->n_mounts = m->n_mounts;
	spec->devices = m->devices;
	spec->n_devices = m->n_devices;
	sandbox_files(j, spec);
	SP_TRY(pid_namespace(j, spec, err));
	SP_TRY(rt_spec_user(security(q->config), m->image.user, &users, &j->arena, &spec->user, err));
	spec->cgroup = m->rec.cgroup = cgroup_of(j, m);
	m->rec.own_pids = spec->own_pids;
	SP_TRY(keep_process(j, m, err));
	SP_AUTO_BUF out;
	sp_buf_init(&out, CONFIG_BYTES);
	SP_TRY(rt_spec_write(spec, &j->arena, &out, err));
	const sp_host_bundle_write ask = {.id = m->rec.id, .config = sp_buf_view(&out)};
	return rt_job_host(j, SP_HOST_BUNDLE_WRITE, &ask, NULL);
}

/* ---- the object ---- */

static void fill_user(rt_job *j, making *m)
{
	sp_cri_linux_container_user *u = sp_new(&j->arena, sp_cri_linux_container_user, 1);
	u->uid = m->spec.user.uid;
	u->gid = m->spec.user.gid;
	u->supplemental_groups.at = sp_new(&j->arena, int64_t, m->spec.user.n_groups + 1);
	u->supplemental_groups.n = m->spec.user.n_groups;
	memcpy(u->supplemental_groups.at, m->spec.user.groups, m->spec.user.n_groups * sizeof(int64_t));
	m->rec.user = u;
}

static sp_code make_object(rt_job *j, sp_err *err)
{
	const sp_cri_create_container_request *q = j->request;
	making *m = j->data;
	rt_container *c;
	sp_str dir = j->sandbox->rec.config->log_directory;
	if (j->sandbox->rec.phase != RT_SANDBOX_READY || j->sandbox->stopping)
		return sp_fail(err, SP_ECONFLICT, "the sandbox was stopped meanwhile");
	fill_user(j, m);
	if (q->config->log_path.len > 0 && dir.len > 0)
		m->rec.log_path = SP_CONCAT(&j->arena, dir, SP_STR("/"), q->config->log_path);
	m->rec.state = SP_CRI_CONTAINER_CREATED;
	SP_TRY(rt_container_new(j->r, j->sandbox, &m->rec, &c, err));
	rt_job_set_container(j, c);
	rt_container_unref(c); /* the job has it */
	return rt_container_list(c, err);
}

static sp_code tell_id(rt_job *j, sp_err *err)
{
	(void)err;
	sp_cri_create_container_response *a = sp_new(&j->arena, sp_cri_create_container_response, 1);
	a->container_id = j->container->rec.id;
	j->response = a;
	rt_emit(j->container, SP_CRI_EVENT_CREATED);
	return SP_OK;
}

/* ---- the way back ---- */

static sp_str id_of(const rt_job *j)
{
	const making *m = j->data;
	return j->container != NULL ? j->container->rec.id : m->rec.id;
}

static sp_code is_there(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->container == NULL && (j->data == NULL || ((making *)j->data)->rec.id.len == 0))
		j->steps = NULL;
	return SP_OK;
}

static sp_code remove_bundle(rt_job *j, sp_err *err)
{
	const sp_host_id q = {.id = id_of(j)};
	(void)err;
	return rt_job_host(j, SP_HOST_BUNDLE_REMOVE, &q, NULL);
}

static sp_code remove_images(rt_job *j, sp_err *err)
{
	const sp_cri_container_config *config =
		j->container != NULL ? j->container->rec.config : ((making *)j->data)->rec.config;
	(void)err;
	if (rt_has_image_mounts(config))
		rt_job_part(j, rt_image_mounts_remove_job(j->r, id_of(j), config));
	return SP_OK;
}

static void on_rootfs_removed(void *arg, sp_code code, const sp_err *err)
{
	rt_job_resume(arg, code == SP_OK ? NULL : err);
}

static sp_code remove_rootfs(rt_job *j, sp_err *err)
{
	(void)err;
	rt_job_wait(j);
	image_rootfs_remove(j->r->opts->images, id_of(j), on_rootfs_removed, j);
	return SP_OK;
}

static sp_code unlist(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->container != NULL)
		rt_container_unlist(j->container);
	return SP_OK;
}

/* ---- removing ---- */

static sp_code find_removed(rt_job *j, sp_err *err)
{
	const sp_cri_remove_container_request *q = j->request;
	rt_container *c = rt_find_container(j->r, q->container_id);
	(void)err;
	if (c == NULL)
		j->steps = NULL; /* that is what was wanted */
	else
		rt_job_set_container(j, c);
	return SP_OK;
}

static sp_code kill_first(rt_job *j, sp_err *err)
{
	rt_container *c = j->container;
	(void)err;
	c->removing = true;
	rt_job_part(j, rt_kill_job(c));
	return SP_OK;
}

static sp_code tell_removed(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->container->listed)
		rt_emit(j->container, SP_CRI_EVENT_DELETED);
	return SP_OK;
}

/* ---- records ---- */

sp_code rt_save_container(rt_job *j, sp_err *err)
{
	(void)err;
	return rt_job_save(j, &j->container->saver);
}

static void unlink_record(sp_work *work)
{
	rt_job *j = work->arg;
	/* A record that stays is met by the next start, which finds nothing that belongs to it. */
	(void)!sp_path_unlink(j->r->world, sp_str_c(j->container->saver.path), NULL);
}

sp_code rt_forget_container(rt_job *j, sp_err *err)
{
	if (j->container == NULL)
		return SP_OK;
	return rt_job_work(j, unlink_record, err);
}

/* ---- the sequences ---- */

rt_step *const rt_create_container_steps[] = {
	begin,          prepare,    mount,           mount_images, make_volumes,
	resolve_mounts, map_mounts, resolve_devices, host_devices, load_profile,
	check_profile,  need_pids,  write_bundle,    make_object,  rt_save_container,
	tell_id,        NULL};
rt_step *const rt_create_container_undo[] = {
	is_there, rt_forget_container, remove_bundle, remove_images, remove_rootfs, unlist, NULL};
rt_step *const rt_remove_container_steps[] = {find_removed,  kill_first,    remove_bundle,
					      remove_images, remove_rootfs, rt_forget_container,
					      tell_removed,  unlist,        NULL};
static rt_step *const remove_steps[] = {kill_first,          remove_bundle, remove_images, remove_rootfs,
					rt_forget_container, tell_removed,  unlist,        NULL};

rt_job *rt_remove_job(rt_container *c)
{
	rt_job *j = rt_job_new(c->r, remove_steps);
	rt_job_set_container(j, c);
	return j;
}
