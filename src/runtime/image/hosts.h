/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts serve a registry, and how: hosts.toml in containerd's layout.
 *
 *   server = "https://registry.example"        default: the registry itself
 *   [host."https://mirror.example:5000"]       tried in their order, the server last
 *     capabilities = ["pull", "resolve"]       default: all
 *     skip_verify = false
 *     ca = "ca.crt" or a list                  relative to the file
 *     client = "both.pem", [["cert", "key"]] … the first that is given is shown
 *     override_path = false                    the path is the whole prefix: no "/v2" behind it
 *     [host."https://mirror.example:5000".header]
 *       x-custom = "value" or a list
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/http.h"

#define IMAGE_HOSTS_MAX 64u
#define IMAGE_HOSTS_FILE_BYTES ((size_t)1 << 20)

enum {
	IMAGE_HOST_PULL = 1u << 0,
	IMAGE_HOST_RESOLVE = 1u << 1,
	IMAGE_HOST_PUSH = 1u << 2,
};

typedef struct image_host {
	bool https;
	sp_str authority; /* "mirror.example:5000", as it was written */
	sp_str address;   /* with a port */
	sp_str prefix;    /* "/v2", "/proxy/v2" */
	unsigned capabilities;
	bool skip_verify;
	bool is_registry;               /* the server: whose credentials they are */
	sp_strs ca;                     /* absolute paths */
	sp_str client_cert, client_key; /* absolute paths, or empty */
	const sp_http_header *headers;
	size_t n_headers;
} image_host;

typedef struct image_hosts {
	const image_host *items;
	size_t n;
} image_hosts;

/* `dir` is where the file stands. `registry`: the host of the reference. SP_EINVAL. */
sp_code image_hosts_parse(sp_arena *a, sp_str text, sp_str dir, sp_str registry, image_hosts *ret,
			  sp_err *err) SP_MUST_USE;
/* Without a file: the registry itself, over http when it is this machine. */
sp_code image_hosts_default(sp_arena *a, sp_str registry, image_hosts *ret, sp_err *err) SP_MUST_USE;
/* From the first file there is of CONFIG_DIR/<host>/hosts.toml, CONFIG_DIR/<host>_<port>_/hosts.toml and
 * CONFIG_DIR/_default/hosts.toml. Blocks. */
sp_code image_hosts_load(sp_world *w, sp_arena *a, sp_str config_dir, sp_str registry, image_hosts *ret,
			 sp_err *err) SP_MUST_USE;

/* "https://host[:port][/path]"; path begins with '/' or is empty. SP_EINVAL: another scheme, user names, no
 * host. */
typedef struct image_url {
	bool https;
	sp_str authority, address, path;
} image_url;
sp_code image_url_parse(sp_arena *a, sp_str text, image_url *ret, sp_err *err) SP_MUST_USE;
