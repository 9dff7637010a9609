// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "interop.example.com/secret"

// Makes a secret for every config map of its namespace that has a label, and takes it away before the map goes.
type reconciler struct{ client.Client }

func (r reconciler) Reconcile(ctx context.Context, q ctrl.Request) (ctrl.Result, error) {
	var m corev1.ConfigMap
	if err := r.Get(ctx, q.NamespacedName, &m); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if m.Labels["secret"] == "" {
		return ctrl.Result{}, nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	if !m.DeletionTimestamp.IsZero() {
		if err := r.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
		if controllerutil.RemoveFinalizer(&m, finalizer) {
			return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, &m))
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&m, finalizer) {
		if err := r.Update(ctx, &m); err != nil {
			return ctrl.Result{}, err
		}
	}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, secret, func() error {
		secret.StringData = map[string]string{"n": m.Data["n"]}
		return controllerutil.SetControllerReference(&m, secret, r.Scheme())
	})
	return ctrl.Result{}, err
}

func (s *suite) manager() error {
	const n = 40
	if err := s.namespace("managed"); err != nil {
		return err
	}
	log.SetLogger(logr.Discard())
	m, err := ctrl.NewManager(s.config, ctrl.Options{Metrics: server.Options{BindAddress: "0"}, LeaderElection: true, LeaderElectionID: "interop",
		LeaderElectionNamespace: "default", LeaderElectionReleaseOnCancel: true})
	if err != nil {
		return err
	}
	if err := ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).Complete(reconciler{m.GetClient()}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	direct, err := client.New(s.config, client.Options{})
	if err != nil {
		cancel()
		return err
	}
	err = reconciled(ctx, direct, n)
	cancel()
	if stop := <-ended; err == nil {
		err = stop
	}
	return err
}

func reconciled(ctx context.Context, c client.Client, n int) error {
	err := parallel(n, 8, func(i int) error {
		m := configMap("managed", fmt.Sprintf("r-%d", i))
		m.Labels["secret"] = "yes"
		return c.Create(ctx, m)
	})
	if err != nil {
		return err
	}
	var secrets corev1.SecretList
	count := func(want int) func() bool {
		return func() bool { return c.List(ctx, &secrets, client.InNamespace("managed")) == nil && len(secrets.Items) == want }
	}
	if err := eventually("a secret each", count(n)); err != nil {
		return err
	}
	// A secret that goes comes back, for its owner watches it.
	if err := c.Delete(ctx, &secrets.Items[0]); err != nil {
		return err
	}
	if err := eventually("the secret again", count(n)); err != nil {
		return err
	}
	if err := c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("managed")); err != nil {
		return err
	}
	if err := eventually("no secret", count(0)); err != nil {
		return err
	}
	return eventually("no map", func() bool {
		var one corev1.ConfigMap
		return apierrors.IsNotFound(c.Get(ctx, types.NamespacedName{Namespace: "managed", Name: "r-0"}, &one))
	})
}

func (s *suite) controllerRuntime() {
	s.check("controller-runtime", s.manager)
}
