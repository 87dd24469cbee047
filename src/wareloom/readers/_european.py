"""Names of columns in German, French, Spanish and Italian exports; written without capitals, blanks and underscores."""

from __future__ import annotations

EUROPEAN: dict[str, str] = {
    "user_id": "kundennummer kundennr kundenid kunde codeclient numéroclient numeroclient idclient codigocliente "
    "códigocliente idcliente codicecliente",
    "session_id": "auftragsnummer auftragsnr bestellnummer bestellnr bestellid belegnummer rechnungsnummer bonnummer "
    "numérocommande numerocommande idcommande numéropedido numeropedido idpedido númerodepedido numeroordine idordine",
    "item_id": "artikelnummer artikelnr artikelid artikel produktnummer produktid référenceproduit referenceproduit "
    "codeproduit idproduit codearticle codigoproducto códigoproducto idproducto referenciaproducto codiceprodotto "
    "idprodotto codicearticolo",
    "time": "bestelldatum auftragsdatum belegdatum rechnungsdatum kaufdatum verkaufsdatum datum zeitstempel "
    "datecommande datedecommande datevente fecha fechapedido fechadepedido fechacompra fechaventa dataordine "
    "dataacquisto",
    "quantity": "menge anzahl stückzahl quantité quantite cantidad quantità quantita",
    "value": "umsatz positionswert gesamtpreis montant importe importo",
    "title": "bezeichnung artikelbezeichnung artikelname produktname produktbezeichnung nomproduit libellé libelle "
    "désignation designation nombreproducto nombredelproducto nomeprodotto",
    "description": "beschreibung artikelbeschreibung descripción descripcion descrizione",
    "category": "kategorie warengruppe produktgruppe artikelgruppe catégorie categorie categoría categoria",
    "brand": "marke hersteller marque fabricant marca fabricante",
    "price": "preis einzelpreis stückpreis verkaufspreis prix prixunitaire precio preciounitario prezzo prezzounitario",
    "rating": "bewertung sterne valoración valoracion valutazione",
    "query": "suchbegriff suchanfrage recherche requête requete búsqueda busqueda ricerca",
}
"""Names by canonical column, of any table that has it"""
