// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync/atomic"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var boats = schema.GroupVersionResource{Group: "harbour.example.com", Version: "v1", Resource: "boats"}

func boatDefinition() *apiextensions.CustomResourceDefinition {
	shape := &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{Type: "object", Properties: map[string]apiextensions.JSONSchemaProps{
		"spec":   {Type: "object", Properties: map[string]apiextensions.JSONSchemaProps{"masts": {Type: "integer"}}},
		"status": {Type: "object", Properties: map[string]apiextensions.JSONSchemaProps{"afloat": {Type: "boolean"}}}}}}
	version := apiextensions.CustomResourceDefinitionVersion{Name: "v1", Served: true, Storage: true, Schema: shape,
		Subresources: &apiextensions.CustomResourceSubresources{Status: &apiextensions.CustomResourceSubresourceStatus{}}}
	return &apiextensions.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "boats.harbour.example.com"}, Spec: apiextensions.CustomResourceDefinitionSpec{
		Group: boats.Group, Scope: apiextensions.NamespaceScoped, Names: apiextensions.CustomResourceDefinitionNames{Plural: "boats", Kind: "Boat"},
		Versions: []apiextensions.CustomResourceDefinitionVersion{version}}}
}

func (s *suite) define() error {
	client, err := apiextensionsclient.NewForConfig(s.protobufConfig())
	if err != nil {
		return err
	}
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(s.ctx, boatDefinition(), metav1.CreateOptions{}); err != nil {
		return err
	}
	return eventually("established", func() bool {
		d, err := definitions.Get(s.ctx, "boats.harbour.example.com", metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, c := range d.Status.Conditions {
			if c.Type == apiextensions.Established && c.Status == apiextensions.ConditionTrue {
				return true
			}
		}
		return false
	})
}

func (s *suite) dynamicInformer() error {
	quiet := rest.CopyConfig(s.config)
	quiet.WarningHandler = rest.NoWarnings{} // of the field that is to be pruned
	client, err := dynamic.NewForConfig(quiet)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(boats).Informer()
	var added, updated, deleted atomic.Int64
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { added.Add(1) }, UpdateFunc: func(_, _ any) { updated.Add(1) }, DeleteFunc: func(any) { deleted.Add(1) }}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	of := client.Resource(boats).Namespace("default")
	for i := range 20 {
		boat := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "harbour.example.com/v1", "kind": "Boat",
			"metadata": map[string]any{"name": fmt.Sprintf("b-%d", i)}, "spec": map[string]any{"masts": int64(i), "pruned": true}}}
		made, err := of.Create(ctx, boat, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if _, found, _ := unstructured.NestedBool(made.Object, "spec", "pruned"); found {
			return fmt.Errorf("not pruned: %v", made.Object)
		}
		if err := unstructured.SetNestedField(made.Object, true, "status", "afloat"); err != nil {
			return err
		}
		if _, err := of.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	if err := of.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	err = eventually("all boats gone", func() bool { return deleted.Load() == 20 })
	if err != nil || added.Load() != 20 || updated.Load() != 20 {
		return fmt.Errorf("%d added, %d updated, %d deleted, %w", added.Load(), updated.Load(), deleted.Load(), err)
	}
	return nil
}

func (s *suite) customResources() {
	s.check("custom resource definition", s.define)
	s.check("dynamic informer", s.dynamicInformer)
}
