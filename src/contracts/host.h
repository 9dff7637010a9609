/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam to the one process of a node that has root: mounts, namespaces, interfaces, cgroups, shims. The
 * runtime and the pod network ask, host/ does it and trusts nobody: every request names sandboxes and
 * containers by id, and paths follow from the ids; only what CRI itself lets a client choose (host paths of
 * mounts) is a path here. Over ttrpc, service "sampan.host.v1.Host", on a socket pair.
 *
 * Every request may be repeated after a crash of either side: making what is there and removing what is not
 * are both SP_OK.
 *
 *   RUN_DIR/sandboxes/<id>/ns/{net,ipc,uts,pid,user}   pinned namespaces
 *   RUN_DIR/sandboxes/<id>/shm                tmpfs, /dev/shm of the pod
 *   RUN_DIR/sandboxes/<id>/{hostname,hosts,resolv.conf}
 *   RUN_DIR/containers/<id>/                  bundle: config.json, rootfs (overlay), mounts/<n>
 *   RUN_DIR/a<id>, RUN_DIR/x<id>              sockets: streams of a container, of a command in one; half the
 * id
 */
#pragma once

#include "base/pb_struct.h"

/* "sp" and the like, and digits: below IFNAMSIZ. */
#define SP_HOST_IF_BYTES 15u
/* Of sandboxes and containers: [a-z0-9], 1 to 64. */
#define SP_HOST_ID_BYTES 64u
/* What of an id names a socket below the run directory: a unix socket's path has 107 bytes. */
#define SP_HOST_SOCKET_ID_BYTES 32u
/* The first bytes of the container's id begin what names a command in it and that command's socket, "x…": so
 * who removes the container finds them. */
#define SP_HOST_SOCKET_OWNER_BYTES 16u
#define SP_HOST_RUN_DIR_BYTES (107u - 2u - SP_HOST_SOCKET_ID_BYTES)

typedef enum sp_host_method {
	SP_HOST_SANDBOX_MAKE,
	SP_HOST_SANDBOX_REMOVE,
	SP_HOST_PIDS_MAKE, /* a PID namespace for the pod's containers, with a process that waits for orphans
			    */
	SP_HOST_LINK_MAKE,
	SP_HOST_LINK_REMOVE,
	SP_HOST_ROOTFS_MOUNT,
	SP_HOST_IMAGE_MOUNT,
	SP_HOST_BUNDLE_WRITE,
	SP_HOST_BUNDLE_REMOVE,
	SP_HOST_PATH,
	SP_HOST_SHIM_START,
	SP_HOST_SHIM_DELETE,
	SP_HOST_FORWARD,
	SP_HOST_PORTS,
	SP_HOST_CNI,
	SP_HOST_LAYER,
	SP_HOST_LAYER_STOP,
	SP_HOST_VOLUME,
	SP_HOST_CNI_CONFS, /* SP_HOST_CNI_DIR has what the directory of CNI configurations has now */
	SP_HOST_IMAGE_VOLUME,
	SP_HOST_DEVICES,
	SP_HOST_METHODS_
} sp_host_method;

/* Namespaces that are asked for are made and pinned; those of the host are not. */
typedef struct sp_host_sandbox_make {
	sp_str id;
	bool net, ipc, uts;
	sp_str hostname;                  /* with uts */
	SP_PB_LIST(sp_pb_pair) sysctls;   /* "net.ipv4.ip_forward"; of these namespaces only */
	uint64_t shm_bytes;               /* with ipc */
	sp_str hostname_file, hosts_file; /* contents; empty: not made */
	sp_str resolv_file;               /* content */
	/* A user namespace that owns the others: ids from 0 in it are ids from *_host on. Length 0: none. */
	uint32_t uid_host, uid_length, gid_host, gid_length;
} sp_host_sandbox_make;

typedef struct sp_host_id {
	sp_str id;
} sp_host_id;

typedef struct sp_host_sandbox_remove {
	sp_str id;
	sp_str shim; /* address of its shim: the socket of one that was killed goes, too; may be empty */
} sp_host_sandbox_remove;

/* A veth pair between a bridge (made when missing) and "eth0" of the sandbox. */
typedef struct sp_host_link_make {
	sp_str id;
	sp_str bridge;                       /* name */
	SP_PB_LIST(sp_str) bridge_addresses; /* "10.88.0.1/16" */
	sp_str host_if;                      /* name on the host */
	SP_PB_LIST(sp_str) addresses;        /* of eth0: "10.88.0.5/16" */
	SP_PB_LIST(sp_str) gateways;         /* default routes: "10.88.0.1" */
	uint32_t mtu;                        /* 0 = the kernel's */
} sp_host_link_make;

typedef struct sp_host_link_remove {
	sp_str host_if;
} sp_host_link_remove;

/* Mounts an overlay at the bundle's rootfs; paths as image_rootfs has them. */
typedef struct sp_host_rootfs_mount {
	sp_str id;
	sp_str snapshots_dir;
	SP_PB_LIST(sp_str) lower; /* relative, top first */
	sp_str upper, work;       /* relative */
	bool user_xattr;
	/* The sandbox in whose user namespace the container will live: layers are seen with its ids, and the
	 * root belongs to these. Empty: none. */
	sp_str users_of;
	uint32_t uid, gid;
} sp_host_rootfs_mount;

/* Mounts an image as a volume, read-only, below the bundle: it goes with that. The answer is a path, either
 * of the whole or of the directory `sub_path` in it, which no link leads out of; SP_ENOTFOUND: there is none.
 */
typedef struct sp_host_image_mount {
	sp_host_rootfs_mount *view; /* its upper directory stays empty */
	uint32_t number;            /* of the container's mount: below SP_HOST_IMAGE_MOUNTS_MAX */
	sp_str sub_path;            /* relative; empty: the whole */
} sp_host_image_mount;
#define SP_HOST_IMAGE_MOUNTS_MAX 1024u

typedef struct sp_host_image_mounted {
	sp_str path;
} sp_host_image_mounted;

/* A directory for a volume that the image's configuration names, beside the upper directory of the
 * container's root filesystem (it goes with that), with what the image has at the path, which no link leads
 * out of it. The root filesystem is mounted. Answered by the directory's path. */
typedef struct sp_host_image_volume {
	sp_host_rootfs_mount *view; /* as it was mounted */
	uint32_t number;            /* of the volume: below SP_HOST_IMAGE_MOUNTS_MAX */
	sp_str path;                /* in the container */
} sp_host_image_volume;

/* The container's own user database, read without leaving its root; empty when missing or over 1 MiB. */
typedef struct sp_host_users {
	sp_str passwd, group;
} sp_host_users;

typedef struct sp_host_bundle_write {
	sp_str id;
	sp_str config; /* config.json */
} sp_host_bundle_write;

/* A host path of a mount. */
typedef struct sp_host_path {
	sp_str path;
	bool make; /* a directory, when nothing is there */
	bool read; /* a seccomp profile: its content is told when it is a regular file that begins with '{' */
} sp_host_path;
#define SP_HOST_PROFILE_BYTES ((size_t)1 << 20)

typedef struct sp_host_path_found {
	sp_str path;         /* without symbolic links */
	bool shared, master; /* propagation of the mount it is on: peers; receives from a master */
	/* Of a device: */
	sp_str type; /* "c", "b"; empty: something else */
	uint32_t major, minor, mode, uid, gid;
	sp_str content; /* with `read` */
} sp_host_path_found;

/* Those of the machine, for privileged containers. The request is an id that nobody looks at. */
typedef struct sp_host_devices {
	SP_PB_LIST(sp_host_path_found) devices;
} sp_host_devices;
#define SP_HOST_DEVICES_MAX 4096u

/* `shim start` for a container whose bundle is written. Containers of one sandbox get the same address. */
typedef struct sp_host_shim_start {
	sp_str id, sandbox_id;
	sp_str events; /* ttrpc address the shim forwards events to */
} sp_host_shim_start;

typedef struct sp_host_shim {
	sp_str address; /* "unix:///…" */
} sp_host_shim;

/* Connects to a port at loopback inside the sandbox's network (of the host when it has none of its own), and
 * serves one connection at a unix socket to it. */
typedef struct sp_host_forward {
	sp_str id;
	uint32_t port;
} sp_host_forward;

typedef struct sp_host_forwarded {
	sp_str address; /* "unix:/…" */
} sp_host_forwarded;

/* The whole nftables program of the node's host ports and masquerading, replaced in one step. */
typedef struct sp_host_ports {
	sp_str bridge; /* whose pods may be reached from the node's loopback: the rules guard that */
	sp_str ruleset;
} sp_host_ports;

typedef enum sp_host_cni_verb {
	SP_HOST_CNI_ADD,
	SP_HOST_CNI_DEL,
	SP_HOST_CNI_CHECK,
	SP_HOST_CNI_GC,
	SP_HOST_CNI_STATUS,
	SP_HOST_CNI_VERSION,
	SP_HOST_CNI_VERBS_
} sp_host_cni_verb;

/* Runs one plugin. It is found by its type in the directories the host process was started with, and nothing
 * else can be run. */
typedef struct sp_host_cni {
	sp_str id; /* of the sandbox, whose network namespace it is told while there is one; empty for GC and
		      so on */
	int32_t verb;   /* sp_host_cni_verb */
	sp_str type;    /* "bridge": [A-Za-z0-9._-]+ */
	sp_str if_name; /* CNI_IFNAME */
	sp_str args;    /* CNI_ARGS */
	sp_str config;  /* its standard input */
} sp_host_cni;

/* Whatever it said: nobody has looked at it. */
typedef struct sp_host_cni_answer {
	sp_str output, errors;
	int32_t status;
	bool cut; /* the output is longer than SP_HOST_CNI_OUTPUT_BYTES */
} sp_host_cni_answer;
#define SP_HOST_CNI_OUTPUT_BYTES ((size_t)1 << 20)

typedef enum sp_host_layer_kind {
	SP_HOST_LAYER_UNPACK,
	SP_HOST_LAYER_REMOVE,
	SP_HOST_LAYER_USAGE,
	SP_HOST_LAYER_KINDS_
} sp_host_layer_kind;

/* Runs the helper that unpacks layers. Paths are below the image store the host process was started with,
 * relative to it, and are resolved there without following any link. */
typedef struct sp_host_layer {
	uint64_t token; /* names this request while it runs */
	int32_t kind;   /* sp_host_layer_kind */
	sp_str dir;     /* UNPACK: is there; REMOVE: its parent is */
	/* of UNPACK: */
	sp_str blob;
	SP_PB_LIST(sp_str)
	parents; /* directories of the layers below, top first; at most
		    SP_HOST_LAYER_PARENTS_MAX */
	uint64_t bytes_max, inodes_max, reserve_bytes;
	bool allow_devices;
} sp_host_layer;
#define SP_HOST_LAYER_PARENTS_MAX 512u

/* What the helper said: a line, or nonsense. */
typedef struct sp_host_layer_answer {
	sp_str output;
	int32_t status; /* 128 + signal when it was killed */
} sp_host_layer_answer;

/* Kills it; the answer to the request comes as ever. SP_OK when nothing of the name runs. */
typedef struct sp_host_layer_stop {
	uint64_t token;
} sp_host_layer_stop;

/* A host path (as Path answered it) with the ids of a pod's user namespace, at the bundle's mounts/<index>.
 */
typedef struct sp_host_volume {
	sp_str id, users_of; /* container, sandbox */
	sp_str path;
	uint32_t index; /* below SP_HOST_VOLUMES_MAX */
	bool recursive;
} sp_host_volume;
#define SP_HOST_VOLUMES_MAX 1024u

/* Below RUN_DIR: a copy for a side that may not read the directory itself. */
#define SP_HOST_CNI_DIR "/cni"

#define SP_HOST_SERVICE SP_STR_INIT("sampan.host.v1.Host")

typedef struct sp_host_method_info {
	sp_str name;
	const sp_pb_message *request, *response; /* response NULL: without fields */
} sp_host_method_info;
extern const sp_host_method_info sp_host_methods[SP_HOST_METHODS_];

typedef struct sp_host sp_host;

/* One request. Embedded in its owner, zero-initialised but for `done`; in place until done or cancel. */
typedef struct sp_host_call {
	/* Once, from the loop, never from inside `call`: the response (NULL when it has no fields), good
	 * during the call; or err. */
	void (*done)(struct sp_host_call *c, const void *response, const sp_err *err);
	void *arg;  /* the owner's */
	void *impl; /* of the seam; NULL: not under way */
} sp_host_call;

struct sp_host {
	/* `request` and all it names are good during the call only. */
	void (*call)(sp_host *h, sp_host_method method, const void *request, sp_host_call *c);
	/* No done after this; the host may carry the request out none the less. */
	void (*cancel)(sp_host *h, sp_host_call *c);
};
