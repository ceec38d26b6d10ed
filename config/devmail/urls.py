from django.urls import path

from config.devmail import views

app_name = "devmail"
urlpatterns = [
    path("", views.mail_list, name="list"),
    path("latest", views.latest, name="latest"),
    path("<slug:mail_id>", views.mail_detail, name="detail"),
    path("<slug:mail_id>/html", views.MailHtmlView.as_view(), name="html"),
]
