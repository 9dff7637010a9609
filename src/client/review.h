/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends a request to a component, and whether they may: a client certificate or a token that the API
 * server reviews, then a SubjectAccessReview. U: apiserver pkg/authentication/authenticatorfactory
 * (delegating.go), pkg/authorization/authorizerfactory.
 */
#pragma once

#include "client/call.h"
#include "client/review_cache.h"
#include "io/http.h"

typedef enum sp_review_verdict {
	SP_REVIEW_ALLOWED,
	SP_REVIEW_FORBIDDEN,
	SP_REVIEW_UNKNOWN, /* who it is */
	SP_REVIEW_FAILED   /* the API server could not say: `message` */
} sp_review_verdict;

/* In place until `done` or cancel. */
typedef struct sp_review {
	/* the owner's */
	sp_client *client;
	sp_http_exchange *ex; /* its arena is used, and holds what is found out */
	sp_reviews *kept;     /* answers are kept here for upstream's times, or NULL */
	sp_world *world;      /* whose clock that is; with `kept` */
	bool anonymous;       /* who shows nothing is system:anonymous, else unknown */
	bool always;          /* whoever is not unknown is allowed without asking */
	sp_str verb;
	sp_str path;                                 /* what is asked for, or empty: */
	sp_str version, resource, subresource, name; /* of a resource of the core group */
	void (*done)(struct sp_review *r, sp_review_verdict verdict);
	void *arg;

	/* found out */
	sp_str user;
	const sp_str *groups;
	size_t n_groups;
	sp_str message;
	sp_str question; /* under way, as its answer is kept by */
	sp_call call;
} sp_review;

/* The members above are filled; `done` comes once, also from inside. */
void sp_review_start(sp_review *r);
/* No `done` afterwards. Harmless when nothing is under way. */
void sp_review_cancel(sp_review *r);

/* "get" for GET, "create" for POST …: what a request is for the authorizer. */
sp_str sp_review_verb(const sp_http_exchange *ex);
