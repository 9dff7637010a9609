/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for pulling an image, out of the pod's pull secrets. U: kubernetes pkg/credentialprovider
 * keyring.go, config.go, secrets/secrets.go.
 */
#pragma once

#include "contracts/cri_image.h"
#include "node/objects.h"
#include "node/pod.h"

#define NODE_AUTHS_MAX 1024u

typedef struct node_auths {
	sp_cri_auth_config *at; /* the best match first */
	size_t n;
	sp_str missing; /* names of secrets that are not there, with ", " between them; empty: none */
} node_auths;

/* Everything in the arena. SP_EINVAL: a secret that should hold credentials is not readable; SP_ETOOLARGE. */
sp_code node_auths_find(const node_pod *p, const node_objects *objects, sp_str image, sp_arena *a,
			node_auths *ret, sp_err *err) SP_MUST_USE;

/* The repository an image is of, without tag and digest: "docker.io/library/nginx" of "nginx:1". {NULL, 0}
 * without room. */
sp_str node_repository_of(sp_arena *a, sp_str image);
/* Whether an entry of a configuration ("*.example.com:5000/team") is for that repository. */
bool node_registry_matches(sp_str key, sp_str repository);
