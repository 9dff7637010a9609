/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of a container, from what CRI and the image say. No I/O: whatever has to be looked up on the
 * host (paths of mounts, devices, users) is looked up before. U: opencontainers/runtime-spec config.md;
 * choices as in containerd pkg/cri (container_create_linux.go, opts/).
 */
#pragma once

#include "base/json_out.h"
#include "contracts/cri.h"
#include "contracts/host.h"
#include "runtime/image/image.h"

/* A mount of the request, its source resolved on the host. */
typedef struct rt_mount {
	const sp_cri_mount *cri;
	sp_str source;
} rt_mount;

typedef struct rt_device {
	sp_str path; /* in the container */
	sp_str type; /* "c" or "b" */
	uint32_t major, minor, mode, uid, gid;
	sp_str permissions; /* "rwm" */
} rt_device;

typedef struct rt_user {
	int64_t uid, gid;
	const int64_t *groups; /* supplemental, ascending */
	size_t n_groups;
} rt_user;

typedef struct rt_spec {
	sp_str id, sandbox_id;
	const sp_cri_container_config *config;
	const sp_cri_pod_sandbox_config *sandbox;
	const image_config *image;
	rt_user user;
	/* Namespace files to join; empty: the host's own. */
	sp_str net, ipc, uts;
	sp_str pid; /* likewise; unless own_pids */
	bool own_pids;
	sp_str user_ns; /* likewise; its ids are in `users` */
	const sp_cri_user_namespace *users;
	sp_str cgroup;                       /* cgroupsPath */
	sp_str hostname, hosts, resolv, shm; /* files of the sandbox; shm empty: the host's */
	sp_str hostname_text;                /* for $HOSTNAME */
	const rt_mount *mounts;
	size_t n_mounts;
	const rt_device *devices; /* those of the request, or all of the host */
	size_t n_devices;
	uint64_t caps;    /* that this machine lets anybody have */
	bool counts_huge; /* its cgroups have huge pages: limits of them can be kept */
	sp_str seccomp;   /* JSON; empty: unconfined */
	sp_str apparmor;  /* a profile; empty: none */
} rt_spec;

/* Appends config.json. SP_EINVAL with the text a client is to see. */
sp_code rt_spec_write(const rt_spec *s, sp_arena *a, sp_buf *out, sp_err *err) SP_MUST_USE;
/* The environment, "KEY=value". */
sp_strs rt_spec_env(const rt_spec *s, sp_arena *a);
/* The rest of the process (all but args, env and terminal) as members of JSON, each with a comma before it.
 */
void rt_spec_process(const rt_spec *s, sp_buf *out);
/* LinuxResources alone, for Task.Update; counts_huge as above. */
void rt_spec_resources(const sp_cri_linux_container_resources *r, bool counts_huge, sp_buf *out);

/* Who the container runs as; `users` are the texts of its own /etc/passwd and /etc/group. */
sp_code rt_spec_user(const sp_cri_linux_container_security_context *sc, sp_str image_user,
		     const sp_host_users *users, sp_arena *a, rt_user *ret, sp_err *err) SP_MUST_USE;

/* The signal CRI or the image names; 15 by default. */
sp_code rt_stop_signal(int32_t cri, sp_str text, uint32_t *ret, sp_err *err) SP_MUST_USE;

/* The paths of the image's volumes that no mount of the request is at, clean, each once. In the arena. U:
 * containerd internal/cri/server/container_create.go, volumeMounts. */
sp_code rt_spec_volumes(const image_config *img, const sp_cri_container_config *c, sp_arena *a, sp_strs *ret,
			sp_err *err) SP_MUST_USE;

/* This kernel has AppArmor, by the text of /sys/module/apparmor/parameters/enabled. */
bool rt_apparmor_is_on(sp_str enabled);
/* The profile a container is to have: that of "Localhost", which is refused where AppArmor is not on. Empty:
 * none, which is "Unconfined" and, for want of a profile of ours, "RuntimeDefault", too. A view into `sc`. */
sp_code rt_spec_apparmor(const sp_cri_linux_container_security_context *sc, bool is_on, sp_str *ret,
			 sp_err *err) SP_MUST_USE;

/* ---- the parts ---- */

/* `may`: what this machine lets anybody have, a bit per capability. */
void rt_spec_capabilities(sp_jout *j, const sp_cri_linux_container_security_context *sc, uint64_t may);
uint64_t rt_spec_effective(const sp_cri_linux_container_security_context *sc, uint64_t may);
/* The bit of "CAP_CHOWN" or "CHOWN"; 0: unknown. */
uint64_t rt_spec_capability(sp_str name);
/* linux.seccomp of "RuntimeDefault" for a container with these capabilities. */
void rt_spec_default_seccomp(uint64_t caps, sp_buf *out);
sp_code rt_spec_check_capabilities(const sp_cri_linux_container_security_context *sc,
				   sp_err *err) SP_MUST_USE;
void rt_spec_mounts(sp_jout *j, const rt_spec *s, sp_arena *a);
void rt_spec_devices(sp_jout *j, const rt_spec *s);
void rt_spec_limits(sp_jout *j, const sp_cri_linux_container_resources *r, bool counts_huge,
		    const rt_spec *s);
bool rt_spec_is_privileged(const rt_spec *s);
