/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /sampan/v1/snapshots?name=NAME: a consistent copy of the store, made while the server goes on, into a
 * directory of the server's. A path of its own, under RBAC's nonResourceURLs (the administrator's "*" holds
 * it). Answers 201 with {"name": NAME} once the copy is on the disk, 400 for a name that no file should have,
 * 409 when there is a snapshot of that name or one is being made, 404 when the store cannot.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct api_request;
struct api_server;
typedef struct api_snapshots api_snapshots;

/* How the store is copied; called on a worker. SP_EEXISTS: there is one of that name. */
typedef struct api_snapshot_opts {
	sp_code (*save)(void *arg, sp_str name, sp_err *err); /* NULL: the store cannot */
	void *arg;
} api_snapshot_opts;

#define API_SNAPSHOT_NAME_MAX 128u

/* A letter or digit, then also '.', '-' and '_'. */
bool api_snapshot_name_ok(sp_str name);

api_snapshots *api_snapshots_new(struct api_server *s, const api_snapshot_opts *opts);
/* `done` comes once no worker copies any more: now or later. None is begun from now on. */
void api_snapshots_close(api_snapshots *s, void (*done)(void *arg), void *arg);
/* After close's done, or before the first request. */
void api_snapshots_free(api_snapshots *s);

/* The handler of the path. */
void api_snapshot(struct api_request *r);
